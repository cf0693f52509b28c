//! The cheapest programs there can be, for `cargo xtask bench overhead` to measure against.

use aya::programs::Program;
use aya::{Ebpf, EbpfError, EbpfLoader};

use super::loader::{Family, LoadError, OBJECT, missing, mount_tracefs_for};

/// The cheapest possible pair of programs at enter and exit, which does nothing: the floor that
/// `cargo xtask bench overhead` measures against. They are detached when this is dropped.
pub fn attach_floor(family: Family) -> Result<Ebpf, LoadError> {
    mount_tracefs_for(family);
    let mut loader = EbpfLoader::new();
    loader.btf(None);
    let mut ebpf = loader.load(OBJECT).map_err(|error: EbpfError| LoadError::new("create maps", &error))?;
    for (raw, classic, name) in [
        ("floor_raw_exit", "floor_classic_exit", "sys_exit"),
        ("floor_raw_enter", "floor_classic_enter", "sys_enter"),
    ] {
        let step = "attach the floor";
        let program = if family == Family::Raw { raw } else { classic };
        match ebpf.program_mut(program).ok_or_else(|| missing(program))? {
            Program::RawTracePoint(program) => {
                program
                    .load()
                    .and_then(|()| program.attach(name).map(drop))
                    .map_err(|e| LoadError::new(step, &e))?;
            }
            Program::TracePoint(program) => {
                program
                    .load()
                    .and_then(|()| program.attach("raw_syscalls", name).map(drop))
                    .map_err(|e| LoadError::new(step, &e))?;
            }
            _ => return Err(missing(program)),
        }
    }
    Ok(ebpf)
}
