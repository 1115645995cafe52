//! A disk whose power goes: what was not synced is lost, in part or wholly, in no order.
//!
//! Everything is done on the real disk, and remembered with how it is taken back. A sync of a file
//! makes its octets durable, a sync of a folder the names in it, a sync of the file system all.
//! When the power goes, for each file a part of its writes is taken back, the last one sector by
//! sector, and for each name a part of what became of it. What sled writes comes not through here:
//! its folder is as it is, or as it was at the last sync of its file.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::split_mix;

/// What a disk writes in one piece, in octets.
const SECTOR_OCTETS: usize = 512;

/// See the file's first lines.
#[derive(Debug)]
pub(super) struct Volatile {
    /// Where removed files and copies of the index are kept: on the same file system.
    aside: PathBuf,
    kept: u64,
    writes: HashMap<u64, Vec<Write>>,
    names: Vec<Name>,
    /// The chain of events that a name belongs to.
    chains: HashMap<PathBuf, u64>,
    chains_begun: u64,
    /// The index's folder, and a copy of it as it is durable.
    index: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug)]
struct Write {
    file: File,
    offset: u64,
    before: Vec<u8>,
    octets: usize,
    length_before: u64,
}

/// Something that became of a name, and how it is taken back.
#[derive(Debug)]
struct Name {
    chain: u64,
    folders: [PathBuf; 2],
    back: Back,
}

#[derive(Debug)]
enum Back {
    Unlink(PathBuf),
    Rename {
        to: PathBuf,
        from: PathBuf,
        replaced: Option<PathBuf>,
    },
    Restore {
        kept: PathBuf,
        path: PathBuf,
    },
}

impl Volatile {
    pub(super) fn new(aside: &Path) -> Self {
        Self {
            aside: aside.to_owned(),
            kept: 0,
            writes: HashMap::new(),
            names: Vec::new(),
            chains: HashMap::new(),
            chains_begun: 0,
            index: None,
        }
    }

    fn chain_of(&mut self, path: &Path) -> u64 {
        let begun = &mut self.chains_begun;
        *self.chains.entry(path.to_owned()).or_insert_with(|| {
            *begun += 1;
            *begun
        })
    }

    fn name(&mut self, chain: u64, paths: [&Path; 2], back: Back) {
        let folders = paths.map(|path| path.parent().unwrap_or(path).to_owned());
        self.names.push(Name {
            chain,
            folders,
            back,
        });
    }

    fn keep_aside(&mut self, path: &Path) -> io::Result<PathBuf> {
        self.kept += 1;
        let kept = self.aside.join(self.kept.to_string());
        fs::hard_link(path, &kept)?;
        Ok(kept)
    }

    pub(super) fn created(&mut self, path: &Path) {
        let chain = self.chain_of(path);
        self.name(chain, [path, path], Back::Unlink(path.to_owned()));
    }

    pub(super) fn writing(&mut self, file: &File, offset: u64, octets: usize) -> io::Result<()> {
        let metadata = file.metadata()?;
        let length_before = metadata.len();
        let there = usize::try_from(length_before.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut before = vec![0; there.min(octets)];
        file.read_exact_at(&mut before, offset)?;
        self.writes.entry(metadata.ino()).or_default().push(Write {
            file: file.try_clone()?,
            offset,
            before,
            octets,
            length_before,
        });
        Ok(())
    }

    pub(super) fn renaming(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let replaced = match fs::symlink_metadata(to) {
            Ok(metadata) if metadata.is_file() => Some(self.keep_aside(to)?),
            Ok(_) | Err(_) => None,
        };
        let chain = self.chain_of(from);
        self.chains.remove(from);
        self.chains.insert(to.to_owned(), chain);
        let back = Back::Rename {
            to: from.to_owned(),
            from: to.to_owned(),
            replaced,
        };
        self.name(chain, [from, to], back);
        Ok(())
    }

    pub(super) fn unlinking(&mut self, path: &Path) -> io::Result<()> {
        let kept = self.keep_aside(path)?;
        let chain = self.chain_of(path);
        let back = Back::Restore {
            kept,
            path: path.to_owned(),
        };
        self.name(chain, [path, path], back);
        Ok(())
    }

    pub(super) fn synced(&mut self, file: &File) -> io::Result<()> {
        let ino = file.metadata()?.ino();
        if self.writes.remove(&ino).is_none() {
            use std::os::fd::AsRawFd;
            let path = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
            if path.ends_with("index/db") {
                self.copy_index(path.parent().unwrap_or(&path))?;
            }
        }
        Ok(())
    }

    pub(super) fn folder_synced(&mut self, folder: &Path) {
        let mut durable = HashMap::new();
        for (place, name) in self.names.iter().enumerate() {
            if name.folders.iter().any(|it| it == folder) {
                durable.insert(name.chain, place);
            }
        }
        let mut place = 0;
        self.names.retain(|name| {
            place += 1;
            durable.get(&name.chain).is_none_or(|last| place > last + 1)
        });
    }

    pub(super) fn all_synced(&mut self) -> io::Result<()> {
        self.writes.clear();
        self.names.clear();
        match self.index.take() {
            Some((index, _)) if index.is_dir() => self.copy_index(&index),
            Some(_) | None => Ok(()),
        }
    }

    fn copy_index(&mut self, index: &Path) -> io::Result<()> {
        self.kept += 1;
        let copy = self.aside.join(format!("index-{}", self.kept));
        copy_folder(index, &copy)?;
        self.index = Some((index.to_owned(), copy));
        Ok(())
    }

    /// The power is gone: leaves behind what a disk could have of it.
    pub(super) fn cut(&mut self, seed: u64) -> io::Result<()> {
        let mut state = seed;
        let mut chances: HashMap<u64, u64> = HashMap::new();
        for name in &self.names {
            *chances.entry(name.chain).or_default() += 1;
        }
        for left in chances.values_mut() {
            // So many of the last ones are taken back.
            *left = split_mix(&mut state) % (*left + 1);
        }
        for name in std::mem::take(&mut self.names).into_iter().rev() {
            if let Some(left) = chances.get_mut(&name.chain).filter(|left| **left > 0) {
                *left -= 1;
                name.back.take_back()?;
            }
        }
        for (_, mut writes) in std::mem::take(&mut self.writes) {
            let lost = split_mix(&mut state) % (writes.len() as u64 + 1);
            for _ in 0..lost {
                if let Some(write) = writes.pop() {
                    write.take_back(&mut state, false)?;
                }
            }
            if let Some(last) = writes.pop() {
                last.take_back(&mut state, true)?;
            }
        }
        if let Some((index, copy)) = self.index.take()
            && split_mix(&mut state).is_multiple_of(2)
            && index.is_dir()
        {
            fs::remove_dir_all(&index)?;
            copy_folder(&copy, &index)?;
        }
        Ok(())
    }
}

impl Back {
    fn take_back(self) -> io::Result<()> {
        let outcome = match self {
            Self::Unlink(path) => fs::remove_file(path),
            Self::Restore { kept, path } => fs::hard_link(kept, path),
            Self::Rename { to, from, replaced } => {
                fs::rename(&from, to).and_then(|()| match replaced {
                    None => Ok(()),
                    Some(kept) => fs::hard_link(kept, from),
                })
            }
        };
        match outcome {
            // Its folder went, or another chain of events took the name.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists
                ) =>
            {
                Ok(())
            }
            outcome => outcome,
        }
    }
}

impl Write {
    /// Takes the write back; where it is `torn`, each sector of it or not.
    fn take_back(self, state: &mut u64, torn: bool) -> io::Result<()> {
        if !torn {
            self.file.write_all_at(&self.before, self.offset)?;
            return self.file.set_len(self.length_before);
        }
        let zeros = vec![0; self.octets - self.before.len()];
        let before = [self.before, zeros].concat();
        let mut at = 0;
        while at < before.len() {
            let place = self.offset + at as u64;
            let to_boundary = SECTOR_OCTETS - place as usize % SECTOR_OCTETS;
            let end = before.len().min(at + to_boundary);
            if split_mix(state).is_multiple_of(4) {
                self.file.write_all_at(&before[at..end], place)?;
            }
            at = end;
        }
        Ok(())
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        // sled may remove an old snapshot meanwhile.
        let copied = if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(drop)
        };
        match copied {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
