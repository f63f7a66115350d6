//! `clinic.toml`: everything about one clinic that is not SQL.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use rust_i18n::t;
use serde::Deserialize;
use toml::Spanned;

use super::own_step::{self, OwnStep};
use super::sql_file::mentions;
use super::{
    Archive, Dedupe, Embed, Files, Notify, Project, SourceConfig, Users, map_files, mistake, near, shown,
};
use crate::error::Failure;
use crate::model::catalog::{Catalog, ConstraintKind};
use crate::model::ident::{ClinicName, TableName};
use crate::model::keys::Keys;
use crate::model::merge::OnConflict;
use crate::model::vanished::{self, Vanished};

/// A parsed and validated `clinic.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clinic {
    pub name: ClinicName,
    /// A ULID that `init` wrote once; part of every generated id.
    pub uid: String,
    /// RFC 3339, written once by `init`; the time part of every generated id, and the fallback of `created_at`.
    pub epoch: String,
    /// The system that the clinic leaves: `sql/sources/<product>`.
    pub product: String,
    /// The system that the clinic enters: `sql/systems/<system>` and `schema/<system>.sql`.
    pub system: String,
    /// IANA name.
    pub timezone: String,
    /// ISO 3166 alpha-2: which phone numbers and national ids are at home.
    pub country: String,
    /// ISO 4217.
    pub currency: String,
    /// Language of what patients and staff read in the migrated data, such as `es`.
    #[serde(default = "Clinic::default_locale")]
    pub locale: String,
    /// What golden ids are, as the target's keys want it.
    #[serde(default)]
    pub ids: Ids,
    /// Free names for the models: `meta.variable` (name, value). Organization, company and clinic names live here.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    #[serde(default)]
    pub sites: Vec<Site>,
    /// The target's tenant column and how its value is made: `{ column = "clinic_id", variable = "clinic_id" }`.
    #[serde(default)]
    pub tenant: Option<TenantConfig>,
    pub sources: BTreeMap<String, SourceConfig>,
    /// Defaults for every table, then by table name.
    #[serde(default)]
    pub load: LoadOptions,
    #[serde(default)]
    pub tables: BTreeMap<TableName, TableConfig>,
    #[serde(default)]
    pub maps: BTreeMap<String, MapConfig>,
    /// As clinic.toml has them: entity to section.
    #[serde(default, rename = "dedupe")]
    dedupe_sections: BTreeMap<String, toml::Table>,
    /// Entity to how its duplicates are found, with what the shared files add.
    #[serde(skip)]
    pub dedupe: BTreeMap<String, Dedupe>,
    /// Target table to how its texts get vectors.
    #[serde(default)]
    pub embed: BTreeMap<TableName, Embed>,
    /// Rejected rows allowed per table (`"*"` for every other): `"0"`, `"12"` rows or `"0.5%"` of the table's rows.
    #[serde(default)]
    pub limits: BTreeMap<String, String>,
    /// What the old system printed: control name to key (`""` for a total, `"2024"`) to value.
    #[serde(default)]
    pub control: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default, rename = "target")]
    pub targets: BTreeMap<String, TargetConfig>,
    #[serde(default)]
    pub safety: Safety,
    #[serde(default)]
    pub ledger: LedgerConfig,
    #[serde(default)]
    pub retention: Option<Retention>,
    /// Whose accounts `users` makes, and where.
    #[serde(default)]
    pub users: Option<Users>,
    /// Who is told how a run ended.
    #[serde(default)]
    pub notify: Option<Notify>,
    /// As clinic.toml has them.
    #[serde(default, rename = "commands")]
    own_steps: Vec<Spanned<own_step::Section>>,
    /// The clinic's own steps, in the order in which those of one stage are taken.
    #[serde(skip)]
    pub commands: Vec<OwnStep>,
    /// How long what `archive` stores cannot be deleted.
    #[serde(default)]
    pub archive: Option<Archive>,
    /// Documents and photos that go into a bucket.
    #[serde(default)]
    pub files: Vec<Files>,
    /// Tables that this run is not about: `checks`, `control` and `verify` SQL that reads one is left out.
    #[serde(skip)]
    pub left_out: BTreeSet<TableName>,
}

/// The form of generated ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ids {
    #[default]
    Ulid,
    Uuid,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    pub key: String,
    pub name: String,
    /// Overrides the clinic's.
    pub timezone: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantConfig {
    pub column: String,
    pub value: String,
}

/// `[load]`: push options that hold for all tables.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadOptions {
    pub mode: Option<LoadMode>,
    pub on_conflict: Option<OnConflict>,
    pub vanished: Option<Vanished>,
    pub triggers: Option<Triggers>,
    pub constraints: Constraints,
    /// PostgreSQL `lock_timeout`, as `5s`.
    pub lock_timeout: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableConfig {
    pub mode: Option<LoadMode>,
    pub on_conflict: Option<OnConflict>,
    pub vanished: Option<Vanished>,
    pub orphans: Orphans,
    pub triggers: Option<Triggers>,
    /// For `sync`: the foreign-key column whose parents in the snapshot own the relation.
    pub sync_by: Option<String>,
    /// Per column, what to do with a value that a type modifier would round or trim.
    pub loss: BTreeMap<String, Loss>,
    /// Whether the integer keys that the models give are the rows' own, or placeholders for new ones.
    pub keys: Keys,
    /// Column to the parent that it names without a foreign key: `table` (its primary key) or `table.column`. For verify.
    pub references: BTreeMap<String, String>,
    /// The column by which verify counts rows by month.
    pub months: Option<String>,
}

/// How rows meet rows that are already there (by primary key).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoadMode {
    /// New keys are inserted, existing ones kept as they are.
    #[default]
    Insert,
    /// New keys are inserted, existing rows updated where they differ (before-images kept).
    Upsert,
    /// Like upsert, and rows of the snapshot's parents that the snapshot does not hold are deleted.
    Sync,
    /// All rows of the clinic in the table are deleted first; asks.
    Replace,
    /// Rows are added without looking for a key.
    Append,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Orphans {
    #[default]
    Reject,
    Null,
    Ghost,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Triggers {
    #[default]
    Fire,
    Disable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// A finding; the value goes in rounded or trimmed as PostgreSQL does.
    Finding,
    Reject,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Constraints {
    /// Dropped and rebuilt in the same transaction where that is safe, else kept.
    #[default]
    Auto,
    Keep,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MapConfig {
    pub policy: MapPolicy,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MapPolicy {
    #[default]
    Reject,
    Null,
    /// The unmapped value is kept in the row's metadata.
    Keep,
}

/// `[target.<name>]`: a database that is not the embedded one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetConfig {
    /// The environment variable (or `.env` line) that holds its connection string.
    pub url_env: String,
    /// A push asks for the clinic's name.
    #[serde(default)]
    pub production: bool,
    /// A rehearsal may copy every row of it to the private server.
    #[serde(default)]
    pub rehearse_data: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Safety {
    /// `pg_dump` before a push to a named target.
    pub backup: Option<String>,
    /// `keep`, or `rollback`: a run whose verification fails takes back what it pushed.
    pub on_verify_failure: Option<String>,
}

/// `[ledger]`: what the target's ledger keeps beyond what it needs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LedgerConfig {
    /// Every source record's original row; patients' data then stands in the ledger, and in snapshots, as it came.
    pub keep_rows: bool,
}

/// `[retention]`: how long the ledger keeps rows as they were, for `purge`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// From the end of their batch on.
    pub days: u32,
}

impl Ids {
    /// The SQL function that makes them.
    pub fn function(self) -> &'static str {
        match self {
            Ids::Ulid => "ulid_for",
            Ids::Uuid => "uuid_for",
        }
    }
}

impl MapPolicy {
    pub fn as_str(self) -> &'static str {
        match self {
            MapPolicy::Reject => "reject",
            MapPolicy::Null => "null",
            MapPolicy::Keep => "keep",
        }
    }
}

impl Clinic {
    /// Reads `clinics/<name>/clinic.toml`.
    ///
    /// # Errors
    /// A missing file, a syntax error or an unknown key (with line and column), or a value out of its domain.
    pub fn read(project: &Project, name: &ClinicName) -> Result<Self> {
        let path = project.clinic_dir(name).join("clinic.toml");
        if !path.is_file() {
            let known = project.clinics()?.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(Failure::usage(t!("config.no_clinic", clinic = name, known = known))
                .hint(t!("config.no_clinic_hint", clinic = name))
                .into());
        }
        let text = std::fs::read_to_string(&path)
            .with_context(|| t!("config.cannot_read", path = path.display()))?;
        let mut clinic = Self::parse(&path.display().to_string(), &text)?;
        clinic.validate(name).with_context(|| path.display().to_string())?;
        clinic.known_maps(project)?;
        clinic.resolve_dedupe(project).with_context(|| path.display().to_string())?;
        Ok(clinic)
    }

    /// What a file says, whether or not it can be true.
    pub(crate) fn parse(path: &str, text: &str) -> Result<Self, Failure> {
        let mut clinic: Self = toml::from_str(text).map_err(|error| mistake::of(path, Some(text), &error))?;
        let steps = own_step::steps(std::mem::take(&mut clinic.own_steps));
        clinic.commands = steps.map_err(|(place, wrong)| {
            mistake::at(path, text, &place, &wrong).hint(t!("config.bad_toml_hint"))
        })?;
        Ok(clinic)
    }

    fn resolve_dedupe(&mut self, project: &Project) -> Result<()> {
        let sections = std::mem::take(&mut self.dedupe_sections);
        for (entity, section) in &sections {
            self.dedupe.insert(entity.to_lowercase(), Dedupe::resolve(project, self, entity, section)?);
        }
        self.dedupe_sections = sections;
        Ok(())
    }

    /// Refuses settings of a map that has no file and that no model could ask for.
    fn known_maps(&self, project: &Project) -> Result<()> {
        let files = if self.maps.is_empty() { return Ok(()) } else { map_files(project, self)? };
        for map in self.maps.keys() {
            if files.contains_key(&map.to_lowercase()) || mentions(project, self, map)? {
                continue;
            }
            let path = shown(project, &project.clinic_dir(&self.name).join("clinic.toml"));
            let near = near(map, files.keys());
            return Err(Failure::usage(t!("config.no_map", path = path, map = map, near = near)).into());
        }
        Ok(())
    }

    fn default_locale() -> String {
        "es".to_owned()
    }

    /// The IANA zone.
    pub fn zone(&self) -> Result<chrono_tz::Tz> {
        parse_zone(&self.timezone)
    }

    /// The clinic's epoch as milliseconds since 1970.
    pub fn epoch_milliseconds(&self) -> Result<u64> {
        let time = chrono::DateTime::parse_from_rfc3339(&self.epoch)
            .map_err(|_| Failure::usage(t!("config.bad_epoch", epoch = self.epoch)))?;
        u64::try_from(time.timestamp_millis())
            .map_err(|_| Failure::usage(t!("config.bad_epoch", epoch = self.epoch)).into())
    }

    /// The settings of a table, defaults where clinic.toml has none.
    pub fn table(&self, name: &TableName) -> TableConfig {
        self.tables.get(name).cloned().unwrap_or_default()
    }

    /// The targets on which a push to production is rehearsed: those that clinic.toml names, else the private server.
    pub fn rehearsals(&self) -> Vec<&str> {
        let named = self.targets.iter().filter(|(_, target)| !target.production);
        let named: Vec<&str> = named.map(|(name, _)| name.as_str()).collect();
        if named.is_empty() { vec!["embedded"] } else { named }
    }

    /// A table's load mode: its own, else `[load]`'s, else insert; of golden records upsert, for whom a decision joins or
    /// parts have other values than those that were pushed.
    pub fn load_mode(&self, name: &TableName) -> LoadMode {
        let golden = self.dedupe.contains_key(&name.to_string());
        let default = if golden { LoadMode::Upsert } else { LoadMode::Insert };
        self.table(name).mode.or(self.load.mode).unwrap_or(default)
    }

    /// The same clinic with this mode for every table.
    #[must_use]
    pub fn with_mode(&self, mode: LoadMode) -> Clinic {
        let mut clinic = self.clone();
        clinic.load.mode = Some(mode);
        clinic.tables.values_mut().for_each(|table| table.mode = None);
        clinic
    }

    /// Whether a table's triggers fire: its own setting, else `[load]`'s, else they do.
    pub fn triggers(&self, name: &TableName) -> Triggers {
        self.table(name).triggers.or(self.load.triggers).unwrap_or_default()
    }

    /// What becomes of people's values in a table: its own setting, else `[load]`'s, else the source's are taken.
    pub fn on_conflict(&self, name: &TableName) -> OnConflict {
        self.table(name).on_conflict.or(self.load.on_conflict).unwrap_or_default()
    }

    /// What becomes of a table's rows that the source has no more: its own setting, else `[load]`'s. Without one they stay,
    /// but nobody has said yet that this is right.
    pub fn vanished(&self, name: &TableName) -> Option<Vanished> {
        self.table(name).vanished.or(self.load.vanished)
    }

    /// By what a push and a verification decide of such rows. The modes `append` and `replace` delete none of them one by one.
    pub fn vanished_rule(&self, name: &TableName) -> vanished::Rule {
        let one_by_one = !matches!(self.load_mode(name), LoadMode::Append | LoadMode::Replace);
        let vanished = self.vanished(name).filter(|one| one_by_one || *one != Vanished::Delete);
        vanished::Rule { vanished, on_conflict: self.on_conflict(name) }
    }

    /// Whether a push changes rows of a table that are there, value by value.
    pub fn updates(&self, name: &TableName) -> bool {
        matches!(self.load_mode(name), LoadMode::Upsert | LoadMode::Sync)
    }

    /// Whose rows a table in mode `sync` makes equal: its foreign-key column (`sync_by`, else the first) and the parent that
    /// it names; none where there is no such key.
    pub fn sync_parent(&self, catalog: &Catalog, name: &TableName) -> Option<(String, TableName)> {
        let wanted = self.table(name).sync_by;
        catalog.table(name)?.foreign_keys().find_map(|constraint| {
            match (&constraint.kind, constraint.columns.as_slice()) {
                (ConstraintKind::ForeignKey { references, .. }, [column])
                    if wanted.as_ref().is_none_or(|wanted| wanted == column) =>
                {
                    Some((column.clone(), references.clone()))
                }
                _ => None,
            }
        })
    }

    fn validate(&self, name: &ClinicName) -> Result<()> {
        if self.name != *name {
            return Err(Failure::usage(t!("config.name_mismatch", inside = self.name, folder = name)).into());
        }
        ulid::Ulid::from_string(&self.uid)
            .map_err(|_| Failure::usage(t!("config.bad_uid", uid = self.uid)))?;
        self.epoch_milliseconds()?;
        self.zone()?;
        for site in &self.sites {
            site.timezone.as_deref().map(parse_zone).transpose()?;
        }
        for (name, source) in &self.sources {
            source.validate(name)?;
        }
        if let Some(users) = &self.users {
            users.validate()?;
        }
        if let Some(archive) = &self.archive {
            archive.validate()?;
        }
        self.files.iter().try_for_each(Files::validate)?;
        self.own_steps_are_reached()?;
        // Only a table has parents; those that have none would lose rows by nobody's wish.
        if self.load.mode == Some(LoadMode::Sync) {
            return Err(Failure::usage(t!("config.sync_for_all"))
                .hint(t!("config.sync_for_all_hint"))
                .into());
        }
        let on_failure = self.safety.on_verify_failure.as_deref();
        if let Some(other) = on_failure.filter(|name| !matches!(*name, "keep" | "rollback")) {
            return Err(Failure::usage(t!("config.on_verify_failure", name = other)).into());
        }
        Ok(())
    }
}

fn parse_zone(name: &str) -> Result<chrono_tz::Tz> {
    name.parse().map_err(|_| Failure::usage(t!("config.bad_timezone", name = name)).into())
}
