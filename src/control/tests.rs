//! Both sides of the control socket over a socket pair, with a store in memory.

use std::io::{self, Cursor, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use mailroost_storage::{
    Body, BodyFacts, BodySource, Directory, MemoryStore, MessageId, NewUser, StoreError, UserName,
};
use nix::unistd::Uid;

use super::codec::{ControlCodec, Frame};
use super::execute::pump;
use super::protocol::Request;
use super::server::may_administer;
use super::{
    Client, ClientError, ControlSocket, DerivedSecrets, FaultKind, RemoteBodies, RemoteStore,
    serve_connection,
};
use crate::server::Server;
use bytes::BytesMut;
use tokio_util::codec::Encoder;

/// Runs `work` on a thread that may block, in conversation with a server over `store`.
fn converse<T: Send + 'static>(
    store: Arc<MemoryStore>,
    work: impl FnOnce(UnixStream) -> T + Send + 'static,
) -> (T, io::Result<()>) {
    actix::System::new().block_on(async move {
        let server = Server::builder()
            .store(store)
            .sockets(Vec::new())
            .workers(0)
            .start()
            .await
            .unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let ours = tokio::net::UnixStream::from_std(ours).unwrap();
        let served = actix_rt::spawn(serve_connection(ours, server.clone()));
        let done = actix_rt::task::spawn_blocking(move || work(theirs))
            .await
            .unwrap();
        let served = served.await.unwrap();
        server.stop().await;
        (done, served)
    })
}

fn add(store: &MemoryStore, name: &str) {
    let name = UserName::new(name).unwrap();
    store
        .add(NewUser {
            name,
            password_hash: None,
        })
        .unwrap();
}

fn with_ann() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    add(&store, "ann");
    store
}

fn ids(client: &mut Client) -> Vec<u64> {
    let mut ids = Vec::new();
    client
        .messages("ann", |message| {
            ids.push(message.id);
            Ok::<_, ClientError>(())
        })
        .unwrap();
    ids
}

#[test]
fn listings_longer_than_a_page_are_whole_and_in_order() {
    let store = with_ann();
    for number in 0..2500 {
        add(&store, &format!("user{number:04}"));
    }
    let ((users, messages), served) = converse(store, |stream| {
        let mut client = Client::new(stream);
        let mut users = Vec::new();
        client
            .users(|user| {
                users.push(user.name);
                Ok::<_, ClientError>(())
            })
            .unwrap();
        for _ in 0..1001 {
            client
                .deliver("ann", &mut Cursor::new("Subject: x\n\n"))
                .unwrap();
        }
        (users, ids(&mut client))
    });
    served.unwrap();
    assert_eq!(users.len(), 2501);
    assert!(users.is_sorted());
    assert_eq!(messages.len(), 1001);
    assert!(messages.is_sorted());
}

#[test]
fn a_client_that_hangs_up_amid_a_message_delivers_nothing() {
    let store = with_ann();
    let ((), served) = converse(store.clone(), |mut stream| {
        let mut octets = BytesMut::new();
        let request = Request::Stage {
            received_secs: None,
            carried_unique_id: None,
        };
        let json = Frame::Json(serde_json::to_vec(&request).unwrap().into());
        let chunk = Frame::Chunk(vec![b'x'; 1000].into());
        for frame in [json, chunk] {
            ControlCodec::new().encode(frame, &mut octets).unwrap();
        }
        stream.write_all(&octets).unwrap();
    });
    assert_eq!(served.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    let (left, _) = converse(store, |stream| ids(&mut Client::new(stream)));
    assert!(left.is_empty());
}

#[test]
fn a_message_that_cannot_be_read_is_not_delivered() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is on fire"))
        }
    }
    let store = with_ann();
    let (error, _) = converse(store.clone(), |stream| {
        Client::new(stream).deliver("ann", &mut Broken).unwrap_err()
    });
    assert_eq!(error.to_string(), "the disk is on fire");
    let (left, _) = converse(store, |stream| ids(&mut Client::new(stream)));
    assert!(left.is_empty());
}

#[test]
fn what_is_no_request_is_answered_and_ends_the_conversation() {
    let (reply, served) = converse(with_ann(), |mut stream| {
        let mut octets = BytesMut::new();
        let frame = Frame::Json(br#"{"request":"frobnicate"}"#[..].into());
        ControlCodec::new().encode(frame, &mut octets).unwrap();
        stream.write_all(&octets).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        String::from_utf8_lossy(&reply).into_owned()
    });
    served.unwrap();
    assert!(reply.contains("\"kind\":\"protocol\""), "{reply}");
    assert!(reply.contains("frobnicate"), "{reply}");
}

#[test]
fn a_hash_that_could_not_be_checked_is_refused() {
    let (errors, _) = converse(with_ann(), |stream| {
        let mut client = Client::new(stream);
        let nonsense = Some("$argon2id$nonsense".to_owned());
        [
            client
                .set_password("ann", nonsense.clone(), DerivedSecrets::default())
                .unwrap_err(),
            client.add_user("bob", nonsense).unwrap_err(),
            client.user("bob").unwrap_err(),
        ]
    });
    let kinds = errors.map(|error| match error {
        ClientError::Fault(fault) => fault.kind,
        other => panic!("{other}"),
    });
    assert_eq!(
        kinds,
        [
            FaultKind::Invalid,
            FaultKind::Invalid,
            FaultKind::NoSuchUser
        ]
    );
}

#[test]
fn what_was_begun_and_dropped_does_not_stop_the_conversation() {
    use mailroost_storage::{MaildropStore, Staging};
    let (shown, served) = converse(with_ann(), |stream| {
        let mut client = Client::new(stream.try_clone().unwrap());
        client
            .deliver("ann", &mut Cursor::new("Subject: x\n\nkept\n"))
            .unwrap();
        let store = RemoteStore::new(client);
        let mut begun = store.stage(Staging::default()).unwrap();
        begun.write_all(b"Subject: y\n\n").unwrap();
        drop(begun);
        drop(store.stage(Staging::default()).unwrap().finish().unwrap());
        drop(store);

        let mut client = Client::new(stream);
        let ids = ids(&mut client);
        let bodies = RemoteBodies::new(client, "ann");
        drop(bodies.open(MessageId(ids[0])).unwrap());
        let mut body = bodies.open(MessageId(ids[0])).unwrap();
        let mut buffer = [0; 100];
        let mut shown = Vec::new();
        loop {
            match body.read(&mut buffer).unwrap() {
                0 => return (ids.len(), shown),
                octets => shown.extend_from_slice(&buffer[..octets]),
            }
        }
    });
    served.unwrap();
    assert_eq!(shown, (1, b"Subject: x\r\n\r\nkept\r\n".to_vec()));
}

#[test]
fn only_a_socket_that_nobody_listens_on_makes_room_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control");
    actix::System::new().block_on(async {
        std::fs::write(&path, "mine").unwrap();
        let refusal = ControlSocket::bind(&path).unwrap_err();
        assert_eq!(refusal.source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        std::fs::remove_file(&path).unwrap();

        let target = folder.path().join("target");
        drop(std::os::unix::net::UnixListener::bind(&target).unwrap());
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(ControlSocket::bind(&path).is_err());
        std::fs::remove_file(&path).unwrap();

        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let served = ControlSocket::bind(&path).unwrap();
        let refusal = ControlSocket::bind(&path).unwrap_err();
        assert_eq!(refusal.source.kind(), io::ErrorKind::AddrInUse);
        UnixStream::connect(&path).unwrap();
        drop(served);
        assert!(!path.exists());
    });
}

#[test]
fn a_socket_in_the_place_of_ours_stays_when_ours_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control");
    actix::System::new().block_on(async {
        let ours = ControlSocket::bind(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let theirs = ControlSocket::bind(&path).unwrap();
        drop(ours);
        UnixStream::connect(&path).unwrap();
        drop(theirs);
        assert!(!path.exists());
    });
}

#[test]
fn a_reading_that_broke_off_is_not_taken_for_a_whole_message() {
    struct Short {
        reads: usize,
        panics: bool,
    }
    impl Body for Short {
        fn facts(&self) -> BodyFacts {
            BodyFacts {
                octets: 1,
                header_octets: 1,
                dot_lines: false,
            }
        }

        fn read(&mut self, _: &mut [u8]) -> Result<usize, StoreError> {
            self.reads += 1;
            assert!(self.reads == 1 || !self.panics, "a defect of the store");
            Ok(usize::from(self.reads == 1))
        }
    }
    let pumped = |panics| {
        let (chunks, mut leaving) = tokio::sync::mpsc::channel(2);
        let body = Box::new(Short { reads: 0, panics });
        let _ = std::thread::spawn(move || pump(body, &chunks)).join();
        let mut sizes = Vec::new();
        while let Some(chunk) = leaving.blocking_recv() {
            sizes.push(chunk.unwrap().len());
        }
        sizes
    };
    assert_eq!(pumped(false), [1, 0]);
    assert_eq!(pumped(true), [1]);
}

#[test]
fn only_root_and_the_daemons_own_user_may_administer() {
    let (root, own, other) = (Uid::from_raw(0), Uid::from_raw(110), Uid::from_raw(1000));
    assert!(may_administer(own, own));
    assert!(may_administer(root, own));
    assert!(!may_administer(other, own));
    assert!(
        !may_administer(other, root),
        "nor because the daemon is root"
    );
}
