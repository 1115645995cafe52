//! The files and folders that a daemon needs after it has given up the others.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};

use super::PrivilegesError;
use super::identity::{Account, Identity};
use crate::config::{Config, MechanismName, SourceKind};

/// What a library of the system reads in order to find a host: names, resolvers, authorities,
/// realms. These files are replaced by others of the same name, so that the folders count.
const FINDING_HOSTS: [&str; 5] = [
    "/etc",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/run/nscd",
];

/// Where the Kerberos library remembers the tickets that it has seen, unless its environment says
/// another place (kerberos(7)).
const REPLAY_CACHE: &str = "/var/tmp";
const REPLAY_CACHE_VARIABLE: &str = "KRB5RCACHEDIR";

/// Names the library's settings, separated by colons, where they are not in `/etc`.
const KERBEROS_SETTINGS_VARIABLE: &str = "KRB5_CONFIG";

/// Where, and for what.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Folders in which all is ours.
    pub kept: Vec<PathBuf>,
    /// Folders in which a socket of ours is made or removed.
    pub sockets: Vec<PathBuf>,
    /// Folders in which files are made and found again, but not looked for.
    pub made: Vec<PathBuf>,
    /// Files and folders that are read.
    pub read: Vec<PathBuf>,
    /// Whether connections to other servers are made.
    pub connects: bool,
    files: Vec<PathBuf>,
}

impl Places {
    /// What the settings name, and `file`, which they came from.
    pub(super) fn of(config: &Config, file: &Path) -> Self {
        let mut places = Self::default();
        let store = &config.server.store;
        places.kept.push(store.clone());
        places.kept.extend(config.store.high_water_folder.clone());
        if config.protocol_log.enabled {
            places.kept.push(config.protocol_log.folder_in(store));
        }
        let control = config.server.control_socket();
        let lmtp = config.lmtp.listener.iter().filter_map(|it| it.path.clone());
        places.sockets = lmtp.chain([control]).map(|path| folder_of(&path)).collect();
        places.sockets.retain(|folder| folder != store);
        places.files = config.files_read();
        places.files.push(file.to_owned());
        // A secret that is not there yet is made.
        let secrets = [&config.auth.ntlm.key_file, &config.auth.scram.secret_file];
        let to_make = secrets.into_iter().flatten().filter(|path| !path.exists());
        places.made = to_make.map(|path| folder_of(path)).collect();
        places.read = places.files.iter().flat_map(|path| around(path)).collect();
        let mechanisms = &config.auth.mechanisms;
        let asks = |name: &MechanismName| {
            matches!(name, MechanismName::OAuthBearer | MechanismName::XOAuth2)
        };
        let ldap = |kind: SourceKind| kind == SourceKind::Ldap;
        places.connects = !config.site.is_empty()
            || mechanisms.iter().any(asks)
            || config.auth.source.iter().any(|source| ldap(source.kind));
        let kerberos = mechanisms.contains(&MechanismName::Gssapi);
        if kerberos {
            let cache = env::var_os(REPLAY_CACHE_VARIABLE);
            let cache = cache.map_or_else(|| REPLAY_CACHE.into(), PathBuf::from);
            places.made.push(cache);
            let settings = env::var_os(KERBEROS_SETTINGS_VARIABLE).unwrap_or_default();
            places
                .read
                .extend(env::split_paths(&settings).flat_map(|path| around(&path)));
        }
        if places.connects || kerberos {
            places.read.extend(FINDING_HOSTS.map(PathBuf::from));
        }
        places
    }

    /// Files that a reload reads again.
    pub(super) fn read_again(&self) -> &[PathBuf] {
        &self.files
    }

    /// Makes the folders that are not there, for the user to come, and sees that those that are
    /// there are theirs.
    pub(super) fn prepare(&self, identity: &Identity) -> Result<(), PrivilegesError> {
        for path in self.kept.iter().chain(&self.sockets).chain(&self.made) {
            let refused = |source| PrivilegesError::Folder {
                path: path.clone(),
                source,
            };
            make(path, identity.account()).map_err(refused)?;
        }
        let Some(account) = identity.account() else {
            return Ok(());
        };
        // What is in the store would be refused one by one.
        for path in &self.kept {
            let owner = fs::metadata(path).map_or(0, |facts| facts.uid());
            if owner != account.uid.as_raw() {
                return Err(PrivilegesError::Owner {
                    path: path.clone(),
                    owner,
                    name: account.name.clone(),
                });
            }
        }
        Ok(())
    }
}

/// A folder that is missing is made: those above it as the system makes folders, itself for its
/// owner alone.
fn make(path: &Path, account: Option<&Account>) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        fs::create_dir_all(above)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    match account {
        Some(account) => chown(path, Some(account.uid.as_raw()), Some(account.gid.as_raw())),
        None => Ok(()),
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// A file is replaced by renaming another one over it, or by pointing a link elsewhere: the folder
/// of the name counts, and that of the file behind it. Where that would be everything, the file.
fn around(path: &Path) -> Vec<PathBuf> {
    let mut around = vec![folder_of(path)];
    if let Ok(behind) = path.canonicalize() {
        around.push(folder_of(&behind));
    }
    for folder in &mut around {
        let everything = folder.canonicalize().is_ok_and(|it| it == Path::new("/"));
        if everything {
            path.clone_into(folder);
        }
    }
    around
}
