//! Ctrl-C and SIGTERM: the first asks all work to stop, the second ends the process.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Kind, interrupt};

static LEFT_TO_CHILD: AtomicBool = AtomicBool::new(false);

/// From now on a program that we run in the foreground, such as psql, answers signals; ours are swallowed.
pub(super) fn leave_to_child() {
    LEFT_TO_CHILD.store(true, Ordering::SeqCst);
}

/// Watches for signals on a thread of its own, so that blocking work cannot hold them up.
pub(super) fn watch() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("cannot watch for signals")?;
    let (mut interrupts, mut terminations) = {
        let _guard = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            either(&mut interrupts, &mut terminations).await;
            interrupt::request();
            either(&mut interrupts, &mut terminations).await;
            std::process::exit(i32::from(Kind::Interrupted.exit_code()));
        });
    })?;
    Ok(())
}

/// Waits for a signal that is ours.
async fn either(one: &mut Signal, other: &mut Signal) {
    loop {
        tokio::select! {
            _ = one.recv() => {}
            _ = other.recv() => {}
        }
        if !LEFT_TO_CHILD.load(Ordering::SeqCst) {
            return;
        }
    }
}
