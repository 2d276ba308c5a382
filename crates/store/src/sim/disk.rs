//! The simulated disk as the store sees it: every call is counted, may fail, and takes effect in part when it does.

use std::{
    io::{self, IoSlice},
    sync::Arc,
};

use crate::io::{Disk, DiskFile};

use super::{
    Call, Failure, SECTOR_BYTES, SimDisk, State,
    faults::Verdict,
    inode::{Inode, Operation},
    survival::FolderChange,
};

impl Disk for SimDisk {
    fn create(&self, name: &str, len: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock();
        let verdict = state.begin(Call::Create);
        if let Verdict::Not(error) = verdict {
            return Err(error);
        }
        if state.names.contains_key(name) {
            let taken = format!("a file has the name already name={name}");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, taken));
        }
        let room = state.room(len);
        let full_len = len;
        let len = match (&verdict, &room) {
            (Verdict::Done, Ok(())) => len,
            // What filling it with zeros had done stays.
            (Verdict::Done, Err(_)) => state.capacity.saturating_sub(state.used()),
            _ => state.faults.random.within(0..len + 1),
        };
        let number = state.make(name, vec![0; len.min(full_len) as usize]);
        match verdict {
            Verdict::Half(error) => Err(error),
            _ => room.map(|()| self.file(number)),
        }
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.begin(Call::Open).all_or_nothing()?;
        Ok(self.file(state.find(name)?))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.0.lock();
        state.begin(Call::List).all_or_nothing()?;
        Ok(state.names.keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        let result = state.begin(Call::Rename).perhaps()?;
        if let Ok(number) = state.find(from) {
            if from != to {
                state.rename_to(to, number, Some(from));
            }
            return result.map_or(Ok(()), Err);
        }
        state.find(from).map(|_| ())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        let result = state.begin(Call::Remove).perhaps()?;
        state.find(name)?;
        state.names.remove(name);
        state.folder.push(FolderChange {
            unset: Some(name.to_owned()),
            set: None,
        });
        result.map_or(Ok(()), Err)
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        let result = state.begin(Call::SyncFolder).perhaps()?;
        state.names_durable = state.names.clone();
        state.folder.clear();
        result.map_or(Ok(()), Err)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let mut state = self.0.lock();
        state.begin(Call::FreeBytes).all_or_nothing()?;
        Ok(state.capacity.saturating_sub(state.used()))
    }
}

impl SimDisk {
    fn file(&self, number: usize) -> Arc<dyn DiskFile> {
        Arc::new(SimFile {
            disk: self.clone(),
            number,
        })
    }
}

struct SimFile {
    disk: SimDisk,
    number: usize,
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.begin(Call::Read).all_or_nothing()?;
        let live = &state.inodes[self.number].live;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(buf.len());
        let Some(bytes) = live.get(start..end) else {
            let beyond = format!(
                "the file ends before what is to be read len={} end={end}",
                live.len()
            );
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, beyond));
        };
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, offset: u64, bufs: &[IoSlice<'_>]) -> io::Result<()> {
        let bytes: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.disk.0.lock().write(self.number, offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let verdict = state.begin(Call::Sync);
        let off = state.faults.off;
        match verdict {
            Verdict::Done => {
                state.inodes[self.number].sync();
                Ok(())
            }
            Verdict::Half(error) if off => {
                if state.faults.random.one_in(2) {
                    state.inodes[self.number].sync();
                }
                Err(error)
            }
            Verdict::Half(error) => {
                state.inodes[self.number].fail_sync();
                Err(error)
            }
            Verdict::Not(error) => Err(error),
        }
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.0.lock();
        state.begin(Call::Len).all_or_nothing()?;
        Ok(state.inodes[self.number].live.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let result = state.begin(Call::SetLen).perhaps()?;
        let present = state.inodes[self.number].live.len() as u64;
        state.room(len.saturating_sub(present))?;
        state.inodes[self.number].apply(Operation::SetLen(len as usize));
        result.map_or(Ok(()), Err)
    }
}

impl State {
    fn find(&self, name: &str) -> io::Result<usize> {
        let found = self.names.get(name).copied();
        found.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("no file has the name name={name}"),
            )
        })
    }

    /// Whether a file may grow by so much.
    fn room(&mut self, growth: u64) -> io::Result<()> {
        if self.used().saturating_add(growth) > self.capacity {
            self.refusals += 1;
            return Err(Failure::no_space());
        }
        Ok(())
    }

    /// Makes a new file under a name.
    fn make(&mut self, name: &str, content: Vec<u8>) -> usize {
        let number = self.inodes.len();
        self.inodes.push(Inode::new(content));
        self.rename_to(name, number, None);
        number
    }

    fn rename_to(&mut self, name: &str, number: usize, from: Option<&str>) {
        if let Some(from) = from {
            self.names.remove(from);
        }
        self.names.insert(name.to_owned(), number);
        self.folder.push(FolderChange {
            unset: from.map(str::to_owned),
            set: Some((name.to_owned(), number)),
        });
    }

    fn write(&mut self, number: usize, offset: u64, mut bytes: Vec<u8>) -> io::Result<()> {
        let result = match self.begin(Call::Write) {
            Verdict::Done => Ok(()),
            Verdict::Half(error) => {
                // Any number of its bytes may have reached the cache; of sectors, when the power goes.
                let mut kept = self.faults.random.within(0..bytes.len() as u64 + 1);
                if self.faults.off && kept < bytes.len() as u64 {
                    kept = kept.saturating_sub((offset + kept) % SECTOR_BYTES as u64);
                }
                bytes.truncate(kept as usize);
                Err(error)
            }
            Verdict::Not(error) => return Err(error),
        };
        let end = offset + bytes.len() as u64;
        let len = self.inodes[number].live.len() as u64;
        self.room(end.saturating_sub(len))?;
        self.inodes[number].apply(Operation::Write {
            offset: offset as usize,
            bytes,
        });
        result
    }
}
