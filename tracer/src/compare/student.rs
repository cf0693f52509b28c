//! The little of Student's t that verdicts need: few intervals mean wider uncertainty than a normal
//! distribution would give.

/// Two-sided 95 % of the normal distribution.
pub(super) const Z_95: f64 = 1.959_963_984_540_054;
/// Two-sided 90 % of the normal distribution.
pub(super) const Z_90: f64 = 1.644_853_626_951_472_7;

/// The value that a t distribution with `freedom` degrees of freedom (1 or more) exceeds with probability `above`,
/// as a normal one exceeds `z`: the Cornish-Fisher series, within 0.2 % from 3 degrees on; below them it is looked for.
pub(super) fn quantile(z: f64, above: f64, freedom: f64) -> f64 {
    let v = freedom.max(1.0);
    if v < 3.0 {
        let (mut low, mut high) = (z, 1.0 / above);
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if tail(middle, v) > above { low = middle } else { high = middle }
        }
        return f64::midpoint(low, high);
    }
    let g1 = (z.powi(3) + z) / 4.0;
    let g2 = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let g3 = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    let g4 = (79.0 * z.powi(9) + 776.0 * z.powi(7) + 1482.0 * z.powi(5) - 1920.0 * z.powi(3) - 945.0 * z)
        / 92_160.0;
    z + g1 / v + g2 / v.powi(2) + g3 / v.powi(3) + g4 / v.powi(4)
}

/// Probability that a t-distributed figure exceeds `t` (which is not negative).
pub(super) fn tail(t: f64, freedom: f64) -> f64 {
    if t.is_infinite() {
        return 0.0;
    }
    incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + t * t)) / 2.0
}

/// The regularised incomplete beta function by its continued fraction (Lentz).
#[expect(clippy::many_single_char_names, reason = "the names of the formula")]
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast on this side only.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(b, a, 1.0 - x);
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp() / a;
    let tiny = 1e-300;
    let keep = |value: f64| if value.abs() < tiny { tiny } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / keep(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..200 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / keep(1.0 + even * d);
        c = keep(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / keep(1.0 + odd * d);
        c = keep(1.0 + odd / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-12 {
            break;
        }
    }
    front * fraction
}

/// Logarithm of the gamma function: Stirling's series, reached by the recurrence.
fn ln_gamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < 10.0 {
        shift += x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    (x - 0.5) * x.ln() - x
        + 0.5 * (2.0 * std::f64::consts::PI).ln()
        + inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)))
        - shift
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{ContinuousCDF as _, StudentsT};

    use super::*;

    #[test]
    fn tails_and_quantiles_are_those_of_statrs() {
        for freedom in [1.0, 2.0, 2.6, 3.0, 4.5, 7.0, 12.3, 40.0, 500.0] {
            let oracle = StudentsT::new(0.0, 1.0, freedom).expect("valid");
            for t in [0.0, 0.3, 1.0, 2.5, 6.0, 30.0] {
                let (ours, theirs) = (tail(t, freedom), oracle.sf(t));
                assert!((ours - theirs).abs() <= 1e-9 + theirs * 1e-6, "{freedom} {t}: {ours} {theirs}");
            }
            for (z, above) in [(Z_95, 0.025), (Z_90, 0.05)] {
                let (ours, theirs) = (quantile(z, above, freedom), oracle.inverse_cdf(1.0 - above));
                assert!((ours / theirs - 1.0).abs() < 0.002, "{freedom} {above}: {ours} {theirs}");
            }
        }
        assert!(tail(f64::INFINITY, 5.0) == 0.0);
    }
}
