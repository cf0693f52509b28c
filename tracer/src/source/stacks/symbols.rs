//! The functions in executables and libraries, by `blazesym`. It maps files into our memory, and a file that somebody shortens
//! meanwhile would end us; so it is given a copy that is ours, in which there is nothing but what says where functions are.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::PathBuf;

use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{Input, Symbolized, Symbolizer};
use object::elf::{FileHeader32, FileHeader64, SHT_DYNSYM, SHT_STRTAB, SHT_SYMTAB};
use object::read::elf::{FileHeader, SectionHeader as _};
use object::{Endianness, FileKind, ReadCache};
use rustc_hash::FxHashMap;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::maps::Mapping;

/// Files that are held at once, and bytes of their tables.
const MAX_FILES: usize = 256;
const MAX_BYTES: u64 = 512 << 20;

/// Bytes of a file's tables, and of the file: beyond it is no program.
const MAX_TABLES: u64 = 256 << 20;
const MAX_FILE: u64 = 16 << 30;

/// What identifies a file: as mappings name it.
type FileName = (Vec<u8>, u64);

/// Symbol tables of files.
pub(super) struct Symbols {
    symbolizer: Symbolizer,
    files: FxHashMap<FileName, Known>,
    /// Those of files that were written over. They stay open: the symbolizer knows them by their descriptors.
    retired: Vec<Tables>,
    bytes: u64,
}

/// What is known of a file.
struct Known {
    stamp: Stamp,
    /// `None` for one that is no program.
    tables: Option<Tables>,
}

/// Tells a file from what was there before it was written over.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    written: (i64, i64),
}

/// The tables of one file, in memory of ours.
struct Tables {
    /// Open for as long as `path` is used.
    _memory: File,
    path: PathBuf,
}

impl Default for Symbols {
    fn default() -> Self {
        Self { symbolizer: symbolizer(), files: FxHashMap::default(), retired: Vec::new(), bytes: 0 }
    }
}

fn symbolizer() -> Symbolizer {
    // A copy never changes.
    Symbolizer::builder()
        .enable_auto_reload(false)
        .enable_code_info(false)
        .enable_inlined_fns(false)
        .enable_demangling(true)
        .build()
}

impl Symbols {
    /// The function at this place of the file that is mapped there.
    pub(super) fn find(&mut self, mapping: &Mapping, offset: u64) -> Option<String> {
        if !mapping.is_file() {
            return None;
        }
        self.look(mapping);
        let tables = self.files.get(&mapping.file)?.tables.as_ref()?;
        let source = Source::Elf(Elf { debug_syms: false, ..Elf::new(&tables.path) });
        match self.symbolizer.symbolize_single(&source, Input::FileOffset(offset)) {
            Ok(Symbolized::Sym(symbol)) if !symbol.name.is_empty() => Some(symbol.name.into_owned()),
            _ => None,
        }
    }

    /// Reads a file that is new or was written over. Of a process that has ended nothing can be opened any more.
    fn look(&mut self, mapping: &Mapping) {
        let Ok(metadata) = std::fs::metadata(&mapping.opened_by) else { return };
        let stamp = Stamp { size: metadata.size(), written: (metadata.mtime(), metadata.mtime_nsec()) };
        if self.files.get(&mapping.file).is_some_and(|known| known.stamp == stamp) {
            return;
        }
        if self.files.len() + self.retired.len() >= MAX_FILES || self.bytes >= MAX_BYTES {
            *self = Self::default();
        }
        let tables = match File::open(&mapping.opened_by).and_then(|file| tables(&file)) {
            Ok((tables, bytes)) => {
                self.bytes += bytes;
                Some(tables)
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            // Another process may have it too.
            Err(_) => return,
        };
        let before = self.files.insert(mapping.file.clone(), Known { stamp, tables });
        self.retired.extend(before.and_then(|known| known.tables));
    }
}

/// A copy of a file that has its tables and holes elsewhere, and how many bytes these are. A file that is no program is
/// invalid data.
fn tables(file: &File) -> io::Result<(Tables, u64)> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.size() > MAX_FILE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let cache = ReadCache::new(file.try_clone()?);
    let ranges = ranges(&cache).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let ranges: Vec<(u64, u64)> = ranges
        .into_iter()
        .filter(|&(at, len)| len > 0 && at.checked_add(len).is_some_and(|end| end <= metadata.size()))
        .collect();
    let bytes: u64 = ranges.iter().map(|&(_, len)| len).sum();
    if bytes > MAX_TABLES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let memory = File::from(memfd_create("symbols", MemfdFlags::CLOEXEC)?);
    ftruncate(&memory, metadata.size())?;
    let mut buffer = vec![0; 1 << 20];
    for (at, len) in ranges {
        let mut done = 0;
        while done < len {
            let part = &mut buffer[..usize::try_from(len - done).unwrap_or(usize::MAX).min(1 << 20)];
            file.read_exact_at(part, at + done)?;
            memory.write_all_at(part, at + done)?;
            done += part.len() as u64;
        }
    }
    let path = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
    Ok((Tables { _memory: memory, path }, bytes))
}

/// Where the parts of a program's file are that say where its functions are: place and length.
fn ranges(file: &ReadCache<File>) -> object::Result<Vec<(u64, u64)>> {
    match FileKind::parse(file)? {
        FileKind::Elf64 => ranges_of::<FileHeader64<Endianness>>(file),
        FileKind::Elf32 => ranges_of::<FileHeader32<Endianness>>(file),
        _ => Ok(Vec::new()),
    }
}

fn ranges_of<H: FileHeader<Endian = Endianness>>(file: &ReadCache<File>) -> object::Result<Vec<(u64, u64)>> {
    let header = H::parse(file)?;
    let endian = header.endian()?;
    let table = |at: u64, count: usize, size: u16| (at, count as u64 * u64::from(size));
    let sections = header.section_headers(endian, file)?;
    let mut ranges = vec![
        (0, size_of::<H>() as u64),
        table(header.e_phoff(endian).into(), header.phnum(endian, file)?, header.e_phentsize(endian)),
        table(header.e_shoff(endian).into(), sections.len(), header.e_shentsize(endian)),
    ];
    for section in sections {
        if [SHT_SYMTAB, SHT_DYNSYM, SHT_STRTAB].contains(&section.sh_type(endian)) {
            ranges.extend(section.file_range(endian));
        }
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_copy_holds_little_of_a_program_and_is_as_long() {
        let own = std::env::current_exe().expect("a path");
        let size = std::fs::metadata(&own).expect("it is there").size();
        let (tables, bytes) = File::open(&own).and_then(|file| tables(&file)).expect("a program");
        assert_eq!(std::fs::metadata(&tables.path).expect("it is open").size(), size);
        assert!(bytes > 0 && bytes < size, "{bytes} of {size}");
    }

    #[test]
    fn what_is_no_program_is_refused() {
        for content in [&b""[..], b"\x7fELF", b"#!/bin/sh\n", &[0x7f; 4096], b"\x7fELF\x02\x01\x01"] {
            let mut file = tempfile::NamedTempFile::new().expect("a file");
            file.write_all(content).expect("it takes them");
            let refused = File::open(file.path()).and_then(|file| tables(&file));
            assert_eq!(
                refused.map(|_| ()).map_err(|error| error.kind()),
                Err(io::ErrorKind::InvalidData),
                "{content:?}"
            );
        }
    }

    #[test]
    fn a_program_that_is_damaged_anywhere_is_read_or_refused() {
        let own = std::fs::read("/bin/true")
            .or_else(|_| std::fs::read(std::env::current_exe().expect("a path")))
            .expect("a program");
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..300 {
            let mut damaged = own.clone();
            for _ in 0..random.usize(1..6) {
                let at = if random.bool() { random.usize(..64) } else { random.usize(..damaged.len()) };
                damaged[at] = random.u8(..);
            }
            damaged.truncate(random.usize(..=damaged.len()).max(64));
            let mut file = tempfile::NamedTempFile::new().expect("a file");
            file.write_all(&damaged).expect("it takes them");
            if let Ok((tables, _)) = File::open(file.path()).and_then(|file| tables(&file)) {
                let source = Source::Elf(Elf { debug_syms: false, ..Elf::new(&tables.path) });
                for offset in [0, 0x1000, 0x2345, u64::MAX] {
                    let _ = symbolizer().symbolize_single(&source, Input::FileOffset(offset));
                }
            }
        }
    }
}
