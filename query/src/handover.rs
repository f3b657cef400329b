//! Rows on their way from the query to a thread that may block.
//!
//! The end of the rows is said in words: a sender that disappears without it
//! was cancelled, and what came so far must not be taken for the whole.

use arrow::record_batch::RecordBatch;
use downlake_lake::{Error, ErrorKind, Result};
use futures::StreamExt;
use tokio::sync::mpsc;

use crate::catalog::Rows;

/// Batches that wait between the two sides.
const BATCHES_WAITING: usize = 2;

/// The receiving side.
pub(crate) struct Handover(mpsc::Receiver<Next>);

/// The sending side.
pub(crate) struct Sender(mpsc::Sender<Next>);

enum Next {
    Batch(Result<RecordBatch>),
    End,
}

/// Both sides of a handover.
pub(crate) fn handover() -> (Sender, Handover) {
    let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
    (Sender(sender), Handover(receiver))
}

impl Sender {
    /// Sends all rows and their end; stops at an error, or when nobody wants more.
    pub(crate) async fn send_all(self, mut rows: Rows) {
        while let Some(batch) = rows.batches.next().await {
            let failed = batch.is_err();
            if self.0.send(Next::Batch(batch)).await.is_err() || failed {
                return;
            }
        }
        // A receiver that is gone says why itself.
        let _ = self.0.send(Next::End).await;
    }
}

impl Handover {
    /// The next batch; `None` at the end that was said.
    ///
    /// # Errors
    /// The query's own, and `Cancelled` where the sender disappeared.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>> {
        match self.0.blocking_recv() {
            Some(Next::Batch(batch)) => batch.map(Some),
            Some(Next::End) => Ok(None),
            None => Err(Error::new(
                ErrorKind::Cancelled,
                "the statement was cancelled and left nothing",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use futures::stream;

    use super::*;

    fn rows(count: usize) -> Rows {
        let schema = Arc::new(Schema::empty());
        let batch = RecordBatch::new_empty(Arc::clone(&schema));
        let batches = stream::iter(vec![batch; count].into_iter().map(Ok)).boxed();
        Rows { schema, batches }
    }

    #[tokio::test]
    async fn a_sender_that_disappears_is_no_end() {
        let (sender, mut received) = handover();
        let sending = tokio::spawn(sender.send_all(rows(1)));
        sending.await.unwrap();
        let (first, end) = tokio::task::spawn_blocking(move || (received.next(), received.next()))
            .await
            .unwrap();
        assert!(first.unwrap().is_some());
        assert!(end.unwrap().is_none());

        let (sender, mut received) = handover();
        drop(sender);
        let cut = tokio::task::spawn_blocking(move || received.next())
            .await
            .unwrap();
        assert_eq!(cut.unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
