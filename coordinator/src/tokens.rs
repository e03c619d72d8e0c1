//! Tokens: who may ask the endpoint, how much, and until when.
//!
//! A file each, which holds a hash of the secret and not the secret. A running coordinator and `unsilo coordinator
//! token` both work on the directory; every file is replaced whole and looked at whenever its token is used, so what
//! the admin revokes is refused from the next request on. What was used of a quota follows from the queries on disk.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use unsilo_ledger::{Domain, DomainHasher, name::check_name};
use zeroize::Zeroizing;

use crate::{
    durable::{self, Readers},
    error::CoordinatorError,
    queries::DAY_MS,
};

/// What every token begins with, so that one in a log or repository is recognised.
const PREFIX: &str = "unsilo_";
const SECRET: Domain = Domain::new("endpoint token");
/// How long a token is valid unless the admin says otherwise.
pub const DEFAULT_TOKEN_DAYS: u64 = 90;
/// Rows a day unless the admin says otherwise: a clerk with a spreadsheet never meets it, a stolen token soon does.
pub const DEFAULT_ROWS_PER_DAY: u64 = 100_000;
/// The longest life of a token, days.
pub const MAX_TOKEN_DAYS: u64 = 3650;
/// Tokens of one federation: all of them are listed and looked through.
const MAX_TOKENS: usize = 10_000;

/// A token's number: random, public, the name of its file.
pub(crate) type TokenId = [u8; 8];

/// A token, as the admin sees it. The secret is not among it: nobody keeps it but its holder.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// 16 hexadecimal digits, the part of the token that is no secret.
    pub id: String,
    /// Whom it was made for.
    pub name: String,
    /// Hash of the secret, hex.
    secret_hash: String,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// Milliseconds since 1970; refused from then on.
    pub expires_ms: u64,
    /// Rows that it may have answered in a day of UTC.
    pub rows_per_day: u64,
    /// What the coordinator owes the federation for each row, instead of the settings'.
    pub fee_per_row: Option<u64>,
    /// Refused for good.
    pub revoked: bool,
}

impl Token {
    /// What a holder is refused with now, in one word: "revoked", "expired", or nothing.
    #[must_use]
    pub fn standing(&self, now_ms: u64) -> &'static str {
        match () {
            () if self.revoked => "revoked",
            () if self.expires_ms <= now_ms => "expired",
            () => "valid",
        }
    }
}

/// What a new token may do.
#[derive(Clone, Debug)]
pub struct TokenOptions {
    /// Whom it is for.
    pub name: String,
    /// Days until it expires, 1 to [`MAX_TOKEN_DAYS`].
    pub valid_days: u64,
    /// Rows in a day of UTC.
    pub rows_per_day: u64,
    /// Fee for each row, instead of the settings'.
    pub fee_per_row: Option<u64>,
}

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Not of the form of one, or none that was made here.
    Unknown,
    Expired,
    Revoked,
    /// More rows than are left today; of so many, so many are used.
    OverQuota {
        asked: u32,
        used: u64,
        rows_per_day: u64,
    },
}

/// Somebody who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Zeros for whoever asks without one where that is allowed.
    pub(crate) id: TokenId,
    /// `None`: no limit.
    rows_per_day: Option<u64>,
    pub(crate) fee_per_row: Option<u64>,
}

impl Holder {
    pub(crate) const ANYBODY: Self = Self {
        id: [0; 8],
        rows_per_day: None,
        fee_per_row: None,
    };
}

/// All tokens, and what was used of their quotas today. Cloning shares them.
#[derive(Clone)]
pub(crate) struct Tokens {
    directory: PathBuf,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// By id: the file's inode and time, and what it held then.
    read: HashMap<TokenId, ((u64, i64, i64), Token)>,
    day: u64,
    used: HashMap<TokenId, u64>,
}

impl Tokens {
    pub(crate) fn open(directory: PathBuf) -> Result<Self, CoordinatorError> {
        durable::private_directory(&directory)?;
        Ok(Self {
            directory,
            shared: Arc::default(),
        })
    }

    /// Makes a token and returns its text, which is not kept.
    pub(crate) fn create(
        &self,
        options: &TokenOptions,
        now_ms: u64,
    ) -> Result<(Token, Zeroizing<String>), CoordinatorError> {
        check_name("token name", &options.name)
            .map_err(|error| CoordinatorError::Directory(error.to_string()))?;
        if !(1..=MAX_TOKEN_DAYS).contains(&options.valid_days) {
            return Err(CoordinatorError::Directory(format!(
                "a token is valid for 1 to {MAX_TOKEN_DAYS} days, not {}",
                options.valid_days
            )));
        }
        if self.list()?.len() >= MAX_TOKENS {
            return Err(CoordinatorError::Directory(format!(
                "there are {MAX_TOKENS} tokens already: remove files of expired ones from {}",
                self.directory.display()
            )));
        }
        let mut id = [0; 8];
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut id).map_err(CoordinatorError::Randomness)?;
        getrandom::fill(secret.as_mut_slice()).map_err(CoordinatorError::Randomness)?;
        let token = Token {
            id: HEXLOWER.encode(&id),
            name: options.name.clone(),
            secret_hash: HEXLOWER.encode(&secret_hash(&id, secret.as_slice())),
            created_ms: now_ms,
            expires_ms: now_ms.saturating_add(options.valid_days.saturating_mul(DAY_MS)),
            rows_per_day: options.rows_per_day,
            fee_per_row: options.fee_per_row,
            revoked: false,
        };
        self.write(&token)?;
        let hex = Zeroizing::new(HEXLOWER.encode(secret.as_slice()));
        let text = Zeroizing::new(format!("{PREFIX}{}_{}", token.id, *hex));
        Ok((token, text))
    }

    /// Every token, by name and time.
    pub(crate) fn list(&self) -> Result<Vec<Token>, CoordinatorError> {
        let failed = || CoordinatorError::io("read", &self.directory);
        let mut tokens = Vec::new();
        for file in fs::read_dir(&self.directory).map_err(failed())? {
            let path = file.map_err(failed())?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                let text =
                    fs::read_to_string(&path).map_err(CoordinatorError::io("read", &path))?;
                let token: Token = toml::from_str(&text)
                    .map_err(|error| CoordinatorError::config(&path, error.to_string()))?;
                tokens.push(token);
            }
        }
        tokens.sort_by(|a, b| (&a.name, a.created_ms).cmp(&(&b.name, b.created_ms)));
        Ok(tokens)
    }

    /// Revokes the token with this id, or all of this name. Returns those it revoked.
    pub(crate) fn revoke(&self, which: &str) -> Result<Vec<Token>, CoordinatorError> {
        let mut found: Vec<Token> = self
            .list()?
            .into_iter()
            .filter(|token| token.id == which || token.name == which)
            .collect();
        if found.is_empty() {
            return Err(CoordinatorError::Directory(format!(
                "there is no token with the id or name {which:?}: `unsilo coordinator token list` shows them"
            )));
        }
        for token in &mut found {
            token.revoked = true;
            self.write(token)?;
        }
        Ok(found)
    }

    /// Whether one was ever made.
    pub(crate) fn any(&self) -> bool {
        let files = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten();
        files.map(|file| file.path()).any(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
    }

    /// Counts what was answered today before this start.
    pub(crate) fn recall(&self, rows: Vec<(TokenId, u32)>, now_ms: u64) {
        let mut shared = self.lock();
        shared.day = now_ms / DAY_MS;
        for (token, rows) in rows {
            *shared.used.entry(token).or_default() += u64::from(rows);
        }
    }

    /// Who holds the token with this text.
    pub(crate) fn holder(&self, text: &str, now_ms: u64) -> Result<Holder, Denied> {
        let (id, secret) = parse(text).ok_or(Denied::Unknown)?;
        let token = self.get(&id).ok_or(Denied::Unknown)?;
        let hash = HEXLOWER.encode(&secret_hash(&id, secret.as_slice()));
        let same: bool = hash.as_bytes().ct_eq(token.secret_hash.as_bytes()).into();
        match token.standing(now_ms) {
            _ if !same => Err(Denied::Unknown),
            "revoked" => Err(Denied::Revoked),
            "expired" => Err(Denied::Expired),
            _ => Ok(Holder {
                id,
                rows_per_day: Some(token.rows_per_day),
                fee_per_row: token.fee_per_row,
            }),
        }
    }

    /// Whom the token with this id was made for.
    pub(crate) fn name(&self, id: &TokenId) -> Option<String> {
        self.get(id).map(|token| token.name)
    }

    /// Takes `rows` from today's quota, until the returned [`Charge`] is dropped without being kept.
    pub(crate) fn charge(&self, holder: Holder, rows: u32, now_ms: u64) -> Result<Charge, Denied> {
        let mut shared = self.lock();
        if shared.day != now_ms / DAY_MS {
            shared.day = now_ms / DAY_MS;
            shared.used.clear();
        }
        let used = shared.used.entry(holder.id).or_default();
        let after = used.saturating_add(u64::from(rows));
        if let Some(rows_per_day) = holder.rows_per_day
            && after > rows_per_day
        {
            return Err(Denied::OverQuota {
                asked: rows,
                used: *used,
                rows_per_day,
            });
        }
        *used = after;
        Ok(Charge {
            tokens: self.clone(),
            id: holder.id,
            rows,
            kept: false,
        })
    }

    fn get(&self, id: &TokenId) -> Option<Token> {
        let path = self.path(&HEXLOWER.encode(id));
        let metadata = fs::metadata(&path).ok()?;
        let stamp = (metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
        if let Some((known, token)) = self.lock().read.get(id)
            && *known == stamp
        {
            return Some(token.clone());
        }
        let token: Token = toml::from_str(&fs::read_to_string(&path).ok()?)
            .inspect_err(|error| tracing::error!(%error, path = %path.display(), "a token's file is damaged"))
            .ok()?;
        self.lock().read.insert(*id, (stamp, token.clone()));
        Some(token)
    }

    fn write(&self, token: &Token) -> Result<(), CoordinatorError> {
        let path = self.path(&token.id);
        let text = toml::to_string(token)
            .map_err(|error| CoordinatorError::config(&path, error.to_string()))?;
        durable::write(&path, text.as_bytes(), Readers::Owner)
    }

    fn path(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.toml"))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rows taken from a quota; given back when dropped, unless [kept](Charge::keep) or [spent](Charge::spend).
pub(crate) struct Charge {
    tokens: Tokens,
    id: TokenId,
    rows: u32,
    kept: bool,
}

impl Charge {
    /// The rows were answered.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }

    /// Work is done for them from now on: they count also if their caller goes.
    pub(crate) fn spend(&mut self) {
        self.kept = true;
    }

    /// Nothing came of it, and not through their caller.
    pub(crate) fn give_back(mut self) {
        self.kept = false;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if !self.kept
            && let Some(used) = self.tokens.lock().used.get_mut(&self.id)
        {
            *used = used.saturating_sub(u64::from(self.rows));
        }
    }
}

fn parse(text: &str) -> Option<(TokenId, Zeroizing<[u8; 32]>)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let id = HEXLOWER.decode(id.as_bytes()).ok()?.try_into().ok()?;
    let bytes = Zeroizing::new(HEXLOWER.decode(secret.as_bytes()).ok()?);
    let mut secret = Zeroizing::new([0; 32]);
    if bytes.len() != secret.len() {
        return None;
    }
    secret.copy_from_slice(&bytes);
    Some((id, secret))
}

/// A secret of 256 random bits needs no slow hash.
fn secret_hash(id: &TokenId, secret: &[u8]) -> [u8; 32] {
    DomainHasher::new(SECRET).with(id).with(secret).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(tokens: &Tokens, rows_per_day: u64) -> (Token, Zeroizing<String>) {
        let options = TokenOptions {
            name: "Clerk".into(),
            valid_days: 2,
            rows_per_day,
            fee_per_row: Some(3),
        };
        tokens.create(&options, 0).expect("made")
    }

    fn opened() -> (tempfile::TempDir, Tokens) {
        let directory = tempfile::tempdir().expect("made");
        let tokens = Tokens::open(directory.path().join("tokens")).expect("opened");
        (directory, tokens)
    }

    #[test]
    fn a_token_opens_until_it_expires_or_is_revoked_and_nothing_else_does() {
        let (_directory, tokens) = opened();
        assert!(!tokens.any());
        let (token, text) = made(&tokens, 10);
        assert!(tokens.any());
        let holder = tokens.holder(&text, DAY_MS).expect("valid");
        assert_eq!(holder.fee_per_row, Some(3));
        assert_eq!(tokens.holder(&text, 2 * DAY_MS), Err(Denied::Expired));
        let mut wrong = text.to_string();
        wrong.pop();
        for text in [
            "",
            "unsilo_",
            &wrong,
            &format!("{wrong}g"),
            &format!("{}00", *text),
            &text.replace("unsilo", "other"),
            &format!("unsilo_{}_{}", token.id, "0".repeat(64)),
            &format!("unsilo_../../x_{}", "0".repeat(64)),
        ] {
            let found = tokens.holder(text, 0);
            assert!(found == Err(Denied::Unknown), "{text}: {found:?}");
        }
        assert!(tokens.revoke("Nobody").is_err());
        assert_eq!(tokens.revoke("Clerk").expect("revoked").len(), 1);
        assert_eq!(tokens.holder(&text, 0), Err(Denied::Revoked));
    }

    #[test]
    fn a_quota_counts_rows_of_a_day_and_gives_back_what_was_not_answered() {
        let (_directory, tokens) = opened();
        let (_, text) = made(&tokens, 10);
        let holder = tokens.holder(&text, 0).expect("valid");
        tokens.charge(holder, 6, 0).expect("within").keep();
        let failed = tokens.charge(holder, 4, 0).expect("within");
        let over = Some(Denied::OverQuota {
            asked: 1,
            used: 10,
            rows_per_day: 10,
        });
        assert_eq!(tokens.charge(holder, 1, 0).err(), over);
        drop(failed);
        let mut failed = tokens.charge(holder, 4, 0).expect("given back");
        failed.spend();
        failed.give_back();
        let mut left = tokens.charge(holder, 4, 0).expect("given back again");
        left.spend();
        drop(left);
        assert_eq!(tokens.charge(holder, 1, 0).err(), over);
        tokens.charge(holder, 10, DAY_MS).expect("a new day").keep();
        // After a restart what is on disk counts.
        let again = Tokens::open(tokens.directory.clone()).expect("opened");
        again.recall(vec![(holder.id, 10)], 0);
        assert_eq!(again.charge(holder, 1, 0).err(), over);
        tokens
            .charge(Holder::ANYBODY, u32::MAX, 0)
            .expect("no limit")
            .keep();
    }

    #[test]
    fn the_file_holds_no_secret() {
        let (_directory, tokens) = opened();
        let (token, text) = made(&tokens, 1);
        let kept = fs::read_to_string(tokens.path(&token.id)).expect("read");
        let (_, secret) = text.rsplit_once('_').expect("of that form");
        assert!(!kept.contains(secret) && kept.contains("Clerk"));
    }
}
