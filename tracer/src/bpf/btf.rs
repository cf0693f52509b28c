//! Where the running kernel keeps the few fields we read, from its own type information (BTF).
//!
//! A reader for member offsets only. aya parses the same bytes but keeps member offsets to itself.
//! Format: <https://docs.kernel.org/bpf/btf.html>

use std::path::Path;

/// The kernel's type information.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const MAGIC: u16 = 0xeb9f;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;

/// The type section and the string section.
#[derive(Debug)]
pub struct Btf {
    data: Vec<u8>,
    types: std::ops::Range<usize>,
    strings: std::ops::Range<usize>,
}

/// A member: where it is, and its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    bit_offset: u32,
    type_id: u32,
}

impl Btf {
    /// Reads the running kernel's; `None` when it has none or it is no BTF we know.
    pub fn of_running_kernel() -> Option<Self> {
        Self::parse(std::fs::read(Path::new(VMLINUX)).ok()?)
    }

    /// `None` for anything that is not well-formed BTF of this machine's byte order.
    pub fn parse(data: Vec<u8>) -> Option<Self> {
        let half = |at: usize| data.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes);
        if half(0)? != MAGIC {
            return None;
        }
        let word = |at: usize| word_at(&data, at);
        let header_bytes = word(4)? as usize;
        let section = |offset: u32, bytes: u32| {
            let start = header_bytes.checked_add(offset as usize)?;
            let end = start.checked_add(bytes as usize)?;
            (end <= data.len()).then_some(start..end)
        };
        let types = section(word(8)?, word(12)?)?;
        let strings = section(word(16)?, word(20)?)?;
        Some(Self { data, types, strings })
    }

    /// Byte offset of a member given by a path such as `task_struct.thread_info.status`. Members of
    /// anonymous structs and unions count as the outer type's own.
    pub fn offset(&self, path: &str) -> Option<u32> {
        let (type_name, members) = path.split_once('.')?;
        let (mut type_id, mut bits) = (None, 0);
        for name in members.split('.') {
            let at = match type_id {
                None => self.find_struct(type_name)?,
                Some(id) => self.position_of(id)?,
            };
            let member = self.member(at, name, 0)?;
            bits += member.bit_offset;
            type_id = Some(member.type_id);
        }
        Some(bits / 8)
    }

    fn word(&self, at: usize) -> Option<u32> {
        word_at(&self.data, at)
    }

    fn name(&self, offset: u32) -> Option<&[u8]> {
        let tail = self.data.get(self.strings.start + offset as usize..self.strings.end)?;
        tail.split(|&byte| byte == 0).next()
    }

    /// Bytes that a type's entry takes, by kind and number of members.
    fn entry_bytes(info: u32) -> Option<usize> {
        let members = (info & 0xffff) as usize;
        let extra = match (info >> 24) & 0x1f {
            1 | 14 | 17 => 4,                // INT, VAR, DECL_TAG
            3 => 12,                         // ARRAY
            4 | 5 | 15 | 19 => 12 * members, // STRUCT, UNION, DATASEC, ENUM64
            6 | 13 => 8 * members,           // ENUM, FUNC_PROTO
            2 | 7..=12 | 16 | 18 => 0,       // PTR, FWD, TYPEDEF, CV, RESTRICT, FUNC, FLOAT, TYPE_TAG
            _ => return None,
        };
        Some(12 + extra)
    }

    fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        let mut at = self.types.start;
        std::iter::from_fn(move || {
            if at >= self.types.end {
                return None;
            }
            let here = at;
            at += Self::entry_bytes(self.word(at + 4)?)?;
            Some(here)
        })
    }

    fn find_struct(&self, name: &str) -> Option<usize> {
        self.positions().find(|&at| {
            self.word(at + 4).is_some_and(|info| (info >> 24) & 0x1f == KIND_STRUCT)
                && self.word(at).and_then(|offset| self.name(offset)) == Some(name.as_bytes())
        })
    }

    /// Type ids count entries from 1.
    fn position_of(&self, type_id: u32) -> Option<usize> {
        self.positions().nth((type_id as usize).checked_sub(1)?)
    }

    fn member(&self, at: usize, wanted: &str, depth: u32) -> Option<Member> {
        let info = self.word(at + 4)?;
        let kind = (info >> 24) & 0x1f;
        if depth > 8 || (kind != KIND_STRUCT && kind != KIND_UNION) {
            return None;
        }
        for index in 0..(info & 0xffff) as usize {
            let entry = at + 12 + index * 12;
            let name = self.name(self.word(entry)?)?;
            let type_id = self.word(entry + 4)?;
            let offset = self.word(entry + 8)?;
            // With the kind flag the upper 8 bits are a bit-field's width.
            let bit_offset = if info >> 31 == 1 { offset & 0x00ff_ffff } else { offset };
            if name == wanted.as_bytes() {
                return Some(Member { bit_offset, type_id });
            }
            if name.is_empty()
                && let Some(inner) =
                    self.position_of(type_id).and_then(|inner| self.member(inner, wanted, depth + 1))
            {
                return Some(Member { bit_offset: bit_offset + inner.bit_offset, ..inner });
            }
        }
        None
    }
}

fn word_at(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `struct outer { int a; struct { int b; struct inner c; }; }`, `struct inner { int x; int y; }`.
    fn sample() -> Vec<u8> {
        let strings = b"\0int\0inner\0x\0y\0outer\0a\0b\0c\0";
        let name = |text: &str| {
            let padded = [&[0], text.as_bytes(), &[0]].concat();
            let found = strings.windows(padded.len()).position(|window| window == padded);
            (found.expect("a string of the sample") + 1) as u32
        };
        let structure = |name: u32, members: &[(u32, u32, u32)], size: u32| {
            let mut words = vec![name, KIND_STRUCT << 24 | members.len() as u32, size];
            words.extend(members.iter().flat_map(|&(name, id, offset)| [name, id, offset]));
            words
        };
        let types = [
            vec![name("int"), 1 << 24, 4, 32],
            structure(name("inner"), &[(name("x"), 1, 0), (name("y"), 1, 32)], 8),
            structure(0, &[(name("b"), 1, 0), (name("c"), 2, 32)], 12),
            structure(name("outer"), &[(name("a"), 1, 0), (0, 3, 64)], 20),
        ]
        .concat();
        let mut data = MAGIC.to_ne_bytes().to_vec();
        data.extend([1, 0]);
        let header = [24, 0, types.len() as u32 * 4, types.len() as u32 * 4, strings.len() as u32];
        data.extend(header.iter().chain(&types).flat_map(|word| word.to_ne_bytes()));
        data.extend(strings);
        data
    }

    #[test]
    fn members_are_found_through_named_and_anonymous_structs() {
        let btf = Btf::parse(sample()).expect("well-formed");
        assert_eq!(btf.offset("outer.a"), Some(0));
        assert_eq!(btf.offset("outer.b"), Some(8));
        assert_eq!(btf.offset("outer.c.y"), Some(16));
        assert_eq!(btf.offset("outer.nothing"), None);
        assert_eq!(btf.offset("nothing.a"), None);
    }

    proptest! {
        #[test]
        fn damaged_type_information_is_never_more_than_unknown(at in 0usize..200, byte in any::<u8>(), cut in 0usize..200) {
            let mut data = sample();
            let len = data.len();
            data[at % len] = byte;
            data.truncate(len - cut % len);
            if let Some(btf) = Btf::parse(data) {
                for path in ["outer.a", "outer.c.y", "inner.x.q"] {
                    let _ = btf.offset(path);
                }
            }
        }
    }
}
