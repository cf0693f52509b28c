//! Reads a condition, and says at which character it cannot.

use crate::compare::change::Verdict;
use crate::process::Comm;
use crate::syscalls::{errno, number};
use tracer_common::abi::Abi;

use super::{Amount, Condition, Figure, GateError, Order, Subject};

/// What conditions look like, for whoever wrote one that does not.
const EXAMPLES: &str = "write it like one of these: p99(fsync) > +20%, p50(read, nginx) > 1.5x, max(*) > 1s, errors(openat) > 0.1%, \
     rate(accept4) < -50%, new errno ENOSPC, new call, slower, slower(fsync), refused";

/// Reads the whole text.
pub(super) fn condition(text: &str) -> Result<Condition, GateError> {
    let mut reader = Reader { text, characters: text.chars().collect(), at: 0 };
    let condition = reader.condition()?;
    reader.skip_blanks();
    if reader.at < reader.characters.len() {
        return Err(reader.error(reader.at, "the condition ends before this"));
    }
    Ok(condition)
}

struct Reader<'a> {
    text: &'a str,
    characters: Vec<char>,
    at: usize,
}

impl Reader<'_> {
    fn error(&self, at: usize, why: impl Into<String>) -> GateError {
        GateError { condition: self.text.to_owned(), at, why: why.into(), next: EXAMPLES.to_owned() }
    }

    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
        self.characters[start..self.at].iter().collect()
    }

    /// Takes `wanted` when it comes next.
    fn accept(&mut self, wanted: char) -> bool {
        self.skip_blanks();
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), GateError> {
        if self.accept(wanted) {
            Ok(())
        } else {
            Err(self.error(self.at, format!("expected \"{wanted}\" here")))
        }
    }

    /// A word and where it began.
    fn word(&mut self) -> (String, usize) {
        self.skip_blanks();
        let start = self.at;
        (self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':')), start)
    }

    fn condition(&mut self) -> Result<Condition, GateError> {
        let (word, start) = self.word();
        let figure = match word.as_str() {
            "slower" => return self.verdict(Verdict::Slower),
            "faster" => return self.verdict(Verdict::Faster),
            "refused" => return Ok(Condition::Refused),
            "new" => return self.news(),
            "p50" => Figure::Quantile(0),
            "p90" => Figure::Quantile(1),
            "p99" => Figure::Quantile(2),
            "p99.9" | "p999" => Figure::Quantile(3),
            "max" => Figure::Max,
            "mean" => Figure::Mean,
            "rate" => Figure::Rate,
            "time" => Figure::Time,
            "errors" => Figure::Errors,
            "" => {
                return Err(
                    self.error(start, "expected a figure, \"new\", \"slower\", \"faster\" or \"refused\"")
                );
            }
            _ => {
                let why =
                    "this is no figure: they are p50, p90, p99, p99.9, max, mean, rate, time and errors";
                return Err(self.error(start, why));
            }
        };
        let subject = self.subject()?;
        let comparison = self.order()?;
        let amount = self.amount(figure)?;
        Ok(Condition::Figure { figure, subject, comparison, amount })
    }

    fn verdict(&mut self, verdict: Verdict) -> Result<Condition, GateError> {
        self.skip_blanks();
        let subject = if self.peek() == Some('(') { self.subject()? } else { Subject::default() };
        Ok(Condition::Verdict(verdict, subject))
    }

    fn news(&mut self) -> Result<Condition, GateError> {
        let (word, start) = self.word();
        match word.as_str() {
            "call" => Ok(Condition::NewCall),
            "errno" => {
                let (name, start) = self.word();
                if name.is_empty() {
                    return Ok(Condition::NewErrno(None));
                }
                match errno::number(&name) {
                    Some(number) => Ok(Condition::NewErrno(Some(number))),
                    None => Err(self.error(start, "no errno has this name; they are written as ENOSPC is")),
                }
            }
            _ => Err(self.error(start, "expected \"call\" or \"errno\" after \"new\"")),
        }
    }

    fn subject(&mut self) -> Result<Subject, GateError> {
        self.expect('(')?;
        let call = if self.accept('*') { None } else { Some(self.call()?) };
        let comm = if self.accept(',') { Some(self.comm()?) } else { None };
        self.expect(')')?;
        Ok(Subject { call, comm })
    }

    fn call(&mut self) -> Result<String, GateError> {
        let (name, start) = self.word();
        if name.is_empty() {
            return Err(self.error(start, "expected the name of a syscall, or * for all"));
        }
        let known = match name.split_once(':') {
            Some((abi, call)) => Abi::ALL
                .into_iter()
                .find(|known| known.name() == abi)
                .and_then(|abi| number(abi, call))
                .is_some(),
            None => Abi::ALL.into_iter().any(|abi| number(abi, &name).is_some()),
        };
        if known { Ok(name) } else { Err(self.error(start, "no syscall has this name")) }
    }

    fn comm(&mut self) -> Result<Comm, GateError> {
        self.skip_blanks();
        let start = self.at;
        let name = if self.accept('"') {
            let name = self.take_while(|c| c != '"');
            self.expect('"')?;
            name
        } else {
            self.take_while(|c| c != ')').trim_end().to_owned()
        };
        if name.is_empty() {
            return Err(self.error(start, "expected the name of a command"));
        }
        Ok(Comm::new(name))
    }

    fn order(&mut self) -> Result<Order, GateError> {
        self.skip_blanks();
        let first = self.peek();
        if !matches!(first, Some('>' | '<')) {
            return Err(self.error(self.at, "expected >, >=, < or <= here"));
        }
        self.at += 1;
        let or_equal = self.peek() == Some('=');
        self.at += usize::from(or_equal);
        Ok(match (first, or_equal) {
            (Some('>'), false) => Order::Above,
            (Some('>'), true) => Order::AtLeast,
            (_, false) => Order::Below,
            (_, true) => Order::AtMost,
        })
    }

    fn amount(&mut self, figure: Figure) -> Result<Amount, GateError> {
        self.skip_blanks();
        let start = self.at;
        let sign = self.peek().filter(|c| matches!(c, '+' | '-'));
        self.at += usize::from(sign.is_some());
        let digits_at = self.at;
        let digits = self.take_while(|c| c.is_ascii_digit() || c == '.');
        let number: f64 = match digits.parse() {
            Ok(number) => number,
            Err(_) if digits.is_empty() => {
                return Err(self.error(digits_at, "expected an amount such as +20% or 10ms"));
            }
            Err(_) => return Err(self.error(digits_at, "this is no number")),
        };
        self.skip_blanks();
        let unit_at = self.at;
        let unit = self.take_while(|c| !c.is_whitespace());
        let wrong = |why: &str| Err(self.error(unit_at, why));
        let signed = if sign == Some('-') { -number } else { number };
        let is_latency = matches!(figure, Figure::Quantile(_) | Figure::Max | Figure::Mean | Figure::Time);
        match (unit.as_str(), sign, figure) {
            ("%", Some(_), Figure::Errors) => Ok(Amount::Points(signed / 100.0)),
            ("%", Some(_), _) if signed > -100.0 => Ok(Amount::Factor(1.0 + signed / 100.0)),
            ("%", Some(_), _) => Err(self.error(start, "nothing falls by 100 % or more")),
            ("%", None, Figure::Errors) => Ok(Amount::After(number / 100.0)),
            ("%", None, _) => Err(self.error(start, "a change has a sign: write +20% or -20%")),
            ("x", None, Figure::Errors) => wrong("shares of errors are compared by points: write +0.5%"),
            ("x", None, _) if number > 0.0 => Ok(Amount::Factor(number)),
            ("x", None, _) => Err(self.error(start, "a factor is above 0")),
            (_, Some(_), _) => wrong("expected % after an amount with a sign"),
            ("" | "/s", None, Figure::Rate) => Ok(Amount::After(number)),
            (unit, None, _) if is_latency => match unit {
                "ns" => Ok(Amount::After(number)),
                "us" | "µs" => Ok(Amount::After(number * 1e3)),
                "ms" => Ok(Amount::After(number * 1e6)),
                "s" => Ok(Amount::After(number * 1e9)),
                _ => wrong("expected a unit: ns, us, ms or s; or x for a factor"),
            },
            (_, None, Figure::Rate) => wrong("a rate is calls per second: write 100/s, +20% or 2x"),
            (_, None, _) => wrong("expected %: a share of calls"),
        }
    }
}
