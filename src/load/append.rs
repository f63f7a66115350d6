//! Reads, counts and appends a file at the same time.

use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ScopedJoinHandle;

use anyhow::{Result, anyhow};
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::params;

use crate::config::SourceConfig;
use crate::error::{self, interrupt};
use crate::model::run::{Event, Observer, Stage};
use crate::sources::{Finding, Fingerprint, Opened, Origin, Portion, Refusal, Totals};
use crate::staging::Staging;

/// Batches that may wait between reading and appending; they bound the memory together with the batches' size.
const WAITING: usize = 4;

/// The raw table that is being built.
pub(super) struct Table<'a> {
    pub(super) staging: &'a Staging,
    pub(super) source: &'a str,
    pub(super) name: &'a str,
    /// The column of documents that holds each as a whole.
    pub(super) document: Option<&'a str>,
    /// The sources that the file is one of, in name order.
    pub(super) beside: &'a [(&'a str, &'a SourceConfig)],
}

/// What a file came to.
pub(super) struct Taken {
    pub(super) totals: Totals,
    /// Records by an independent count.
    pub(super) counted: u64,
    /// The file while it was counted.
    pub(super) fingerprint: Fingerprint,
    /// What is wrong with the file.
    pub(super) checked: Vec<Finding>,
}

/// What is appended.
enum Piece {
    Rows(RecordBatch),
    Refused(Vec<Refusal>),
}

impl Table<'_> {
    /// Appends what a file holds, its columns in another order where one is given.
    pub(super) fn take(
        &self,
        origin: &Origin,
        opened: &Opened,
        order: Option<&[usize]>,
        observer: &dyn Observer,
    ) -> Result<Taken> {
        // What every table has besides the file's columns comes last.
        let order: Option<Vec<usize>> =
            order.map(|order| order.iter().copied().chain([order.len()]).collect());
        let subject = self.source;
        std::thread::scope(|scope| {
            let (sender, receiver) = sync_channel(WAITING);
            let reader = scope.spawn(|| {
                let sender = sender;
                let send = |piece| sender.send(piece).map_err(|_| anyhow!("nobody appends"));
                opened.read(origin, &mut |portion| match portion {
                    Portion::Refused(refusals) => send(Piece::Refused(refusals)),
                    Portion::Rows(batch) => send(Piece::Rows(match &order {
                        Some(order) => batch.project(order)?,
                        None => batch,
                    })),
                    Portion::Progress(amount) => {
                        observer.event(&Event::Advanced { stage: Stage::Load, subject, amount });
                        Ok(())
                    }
                })
            });
            let counter = scope.spawn(|| Ok((opened.count()?, opened.check(subject, self.beside)?)));
            // The receiver goes with it: a reader that still sends must not wait for ever.
            let appended = self.append(origin, receiver);
            let (read, counted) = (joined(reader), joined(counter));
            interrupt::check()?;
            appended?;
            let totals = read?;
            let ((counted, fingerprint), checked) = counted?;
            Ok(Taken { totals, counted, fingerprint, checked })
        })
    }

    /// Appends rows in one statement, until there are none or refusals come between them.
    fn append(&self, origin: &Origin, pieces: Receiver<Piece>) -> Result<()> {
        let pieces = Arc::new(Mutex::new(pieces));
        while let Some(piece) = next(&pieces) {
            interrupt::check()?;
            match piece {
                Piece::Refused(refusals) => self.refuse(origin, &refusals)?,
                Piece::Rows(batch) => {
                    let refused = self.append_rows(batch, &pieces)?;
                    self.refuse(origin, &refused)?;
                }
            }
        }
        Ok(())
    }

    /// Appends a batch and those that follow it; the refusals at which it ended.
    fn append_rows(&self, batch: RecordBatch, pieces: &Arc<Mutex<Receiver<Piece>>>) -> Result<Vec<Refusal>> {
        let schema = batch.schema();
        let refused = Arc::new(Mutex::new(Vec::new()));
        let (mut first, pieces, found) = (Some(batch), Arc::clone(pieces), Arc::clone(&refused));
        let batches =
            move || match first.take().map_or_else(|| next(&pieces), |batch| Some(Piece::Rows(batch)))? {
                Piece::Rows(batch) => Some(batch),
                Piece::Refused(refusals) => {
                    *found.lock().unwrap_or_else(PoisonError::into_inner) = refusals;
                    None
                }
            };
        self.staging.append(self.name, &schema, self.document, Box::new(batches))?;
        let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *refused))
    }

    fn refuse(&self, origin: &Origin, refusals: &[Refusal]) -> Result<()> {
        if refusals.is_empty() {
            return Ok(());
        }
        let connection = self.staging.connection();
        let mut errors = connection.appender_to_db("load_error", "meta").map_err(error::duckdb)?;
        for refusal in refusals {
            let row = params![
                self.source,
                origin.shown,
                origin.file_number,
                refusal.record,
                refusal.line,
                refusal.cell,
                refusal.reason,
                refusal.detail
            ];
            errors.append_row(row).map_err(error::duckdb)?;
        }
        errors.flush().map_err(error::duckdb)
    }
}

/// None once the reader has ended.
fn next(pieces: &Mutex<Receiver<Piece>>) -> Option<Piece> {
    pieces.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
