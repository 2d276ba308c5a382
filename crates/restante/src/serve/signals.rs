//! Signals, one after another, on the main thread.

use std::{io, time::Duration};

use tokio::{
    runtime::Runtime,
    signal::unix::{Signal as Listener, SignalKind, signal},
};

/// What the system asks of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM: stop.
    Terminate,
    /// SIGINT: stop.
    Interrupt,
    /// SIGHUP: would be "read the settings again".
    Reload,
}

impl Signal {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Signal::Terminate => "SIGTERM",
            Signal::Interrupt => "SIGINT",
            Signal::Reload => "SIGHUP",
        }
    }
}

/// Listens from its making on. Until then a signal ends the process at once, which is safe: it is made before anything is
/// accepted.
pub(super) struct Signals {
    runtime: Runtime,
    terminate: Listener,
    interrupt: Listener,
    reload: Listener,
}

impl Signals {
    pub(super) fn new() -> io::Result<Signals> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let entered = runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        let reload = signal(SignalKind::hangup())?;
        drop(entered);
        Ok(Signals {
            runtime,
            terminate,
            interrupt,
            reload,
        })
    }

    /// The next signal, or nothing within that time.
    pub(super) fn next(&mut self, patience: Duration) -> Option<Signal> {
        let Signals {
            runtime,
            terminate,
            interrupt,
            reload,
        } = self;
        runtime.block_on(async {
            tokio::select! {
                Some(()) = terminate.recv() => Some(Signal::Terminate),
                Some(()) = interrupt.recv() => Some(Signal::Interrupt),
                Some(()) = reload.recv() => Some(Signal::Reload),
                () = tokio::time::sleep(patience) => None,
            }
        })
    }
}
