//! x
use tracer::bpf::loader::*;
use std::time::Duration;
fn main() {
    let fam = if std::env::args().nth(1).as_deref()==Some("classic") {Family::Classic} else {Family::Raw};
    let plan = Plan{family:fam,whole_host:true,follow:false,comms:vec![],args:false,syscalls:None,failed_only:false,slower_ns:0,ring_bytes:None};
    let t=std::time::Instant::now();
    let mut k = match Kernel::load(&plan) { Ok(k)=>k, Err(e)=>{ eprintln!("{e}"); return } };
    eprintln!("load {:?}", t.elapsed());
    k.attach_lifecycle(false).unwrap(); k.attach_syscalls().unwrap();
    eprintln!("attach {:?}", t.elapsed());
    let (tx, mut rx) = tokio::sync::mpsc::channel(4);
    let live = tracer::source::live::Live::start(k, Duration::from_secs(1), tracer::bpf::sys::monotonic_ns(), tx).unwrap();
    let mut agg = tracer::aggregate::Aggregator::new();
    let mut n=0;
    while let Some(t) = rx.blocking_recv() { agg.merge(&t.interval); n+=1; eprintln!("fill {}", t.ring_fill); if n==3 { live.stop(); } if t.last {break;} }
    let s = agg.snapshot();
    for p in &s.processes { eprintln!("{} {} {}", p.id.pid, p.comm, p.all.calls); }
    for (n,v) in s.ledger.named() { eprintln!("{n} {v}"); }
    eprintln!("in flight {}", s.all.in_flight);
    eprintln!("{:?}", s.ledger.imbalances(s.all.in_flight));
}
