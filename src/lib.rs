//! Portcullis: a gate in front of a private web application, with three locks: the certificate on
//! the device, a password, an approval on the owner's phone. And the desk of those who run it.
//!
//! # The map
//!
//! Rooms on floors: a file uses only what lies on a lower floor, never sideways. `tests/tidy.rs`
//! holds this table and reads every import. The direction matters, the numbers do not.
//!
//! | floor | room | what it knows |
//! | --- | --- | --- |
//! | 0 | [`domain`] | the words: plain values, no IO |
//! | 1 | [`crypto`] | aws-lc-rs or ring under one name |
//! | 2 | [`world`] | time and chance, which a test can hold |
//! | 3 | [`store`] | four verbs, one page of keys, the engine, the view in memory |
//! | 4 | [`audit`] | the ledger: no change without its trace, chained |
//! | 5 | [`ca`], [`auth`], [`notify`] | certificates made; the three factors, each a proof as a value; messages |
//! | 6 | [`policy`] | who may what: files, a pure judge, the [`policy::Permit`] |
//! | 7 | [`enrolment`], [`proxy`], [`web`] | first visit, certificates on a grant, one-time links, reminders, revocation; the way to the backend; the manners of our own pages |
//! | 8 | [`sign_in`], [`renewal`] | the steps that portal and console share; the lane of ended certificates, for portal and public door |
//! | 9 | [`portal`], [`phone`], [`console`], [`public`] | settings; the phone app; the desk and its API; links and EST |
//! | 10 | [`front`], [`control`] | listeners, TLS, doors, the way of a request; the local socket |
//! | 11 | [`config`] | what the operator wrote |
//! | 12 | [`app`] | builds the house; the only file that names an engine |
//! | 13 | [`cli`] | one noun, one file |
//!
//! [`crypto`] lies below [`world`] because chance is made of it; [`audit`] below [`notify`],
//! [`ca`] and [`auth`] because all three write.
//!
//! # What always holds
//!
//! - Nothing reaches a backend or a room of ours without a [`policy::Permit`], which only [`policy`]
//!   makes, from [`auth::evidence::Evidence`], which only [`auth`] makes.
//! - Nothing is written without its line in the audit trail, in the same commit
//!   ([`audit::Ledger::record`]); a session's last-seen is the one exception.
//! - What can be used once is used up by a commit under a revision: of many who try, one succeeds.
//! - A try is counted before it is heard ([`auth::throttle`]).
//! - A client's private key is in memory while its .p12 is made, and nowhere else, ever.
//! - A certificate comes from a grant, used up in the commit that puts it on record
//!   ([`enrolment::issuance`]), and never for a device that changed meanwhile.
//! - A phone takes another's place by a recovery code or by two agents, in the commit that ends the other
//!   ([`enrolment::pairing`]); the password alone replaces nothing.
//! - What an ended certificate proves opens its own renewal and nothing else.
//! - An import password goes by no mail, and lies in clear nowhere.
//! - Short secrets are stored as HMACs under a pepper that lies apart from the store.
//! - What stands on a screen only (codes, digits, pairing links) is kept in memory only.
//!
//! # Two walks
//!
//! *A client opens a page.* [`front::accept`] takes the connection in, [`front::tls`] finds the door by
//! SNI and proves that the client holds its certificate's key. [`front::way`] asks the door for the host,
//! [`auth::certificate`] for the certificate's standing, [`auth::session`] for what the browser has
//! proved, [`policy`] for a decision; with a permit, [`proxy`] forwards, streaming both ways.
//!
//! *A device comes for the first time.* Policy says [`policy::Missing::Release`], so [`sign_in`] shows a
//! code ([`enrolment::first_visit`]). An agent types it in [`console`]; the client finds the agent's
//! word; the agent releases, and the ledger writes device, enrolment, notice and trail in one commit. The
//! [`store::view`] hears of it, the page moves on over [`web::sse`]: a square ([`enrolment::pairing`]), two
//! words, a password ([`auth::password`]), and the page first asked for.
//!
//! *A certificate lives.* It comes from a grant: an operator's command, a link whose import password was typed, a
//! phone's approval ([`portal`]), or what an ended one leads to ([`renewal`]). At its first complete sign-in it takes the place
//! of the one before ([`sign_in`]). [`enrolment::reminders`] say when it ends; [`enrolment::revocation`] ends it before.
//! The view hears of either: sessions and connections fall ([`front::live`]), [`ca::crl`] and [`ca::ocsp`] follow.
//!
//! *A payment is confirmed.* The backend answers 428; [`proxy`] has kept the request, and [`portal::confirmations`] seals it,
//! asks the phone ([`sign_in::questions`]) and shows the same rows. What the phone signed is compared with what is kept, the
//! rules are asked again, a commit says that it goes, and [`proxy`] sends it once, with a receipt that the key set verifies.
//!
//! # What is not here
//!
//! Many machines on etcd, accounts without certificates. Each has its place in the table above and
//! nothing built for it.

pub mod app;
pub mod audit;
pub mod auth;
pub mod ca;
pub mod cli;
pub mod config;
pub mod console;
pub mod control;
pub mod crypto;
pub mod domain;
pub mod enrolment;
pub mod front;
pub mod notify;
pub mod phone;
pub mod policy;
pub mod portal;
pub mod proxy;
pub mod public;
pub mod renewal;
pub mod sign_in;
pub mod store;
pub mod web;
pub mod world;
