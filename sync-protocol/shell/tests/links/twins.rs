//! Two processes with one node's key, as a copied disk makes them.

use sync_shell::links::limits::BACKOFF_MAX;

use super::support::{Installation, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_with_one_key_are_told_of_and_do_not_push_each_other_out() {
    // The peer decides in the one case, the two themselves in the other.
    for (peer, copied) in [(1, 2), (2, 1)] {
        let installation = Installation::new(9);
        let one = installation.node(peer);
        let [original, copy] = [installation.node(copied), installation.node(copied)];
        original.dial(&[one.address()]);
        until("the original is linked", || one.links.stats().len() == 1).await;
        assert!(one.links.twins().is_empty());
        copy.dial(&[one.address()]);
        until("it is known that two run", || {
            one.links.twins().iter().any(|(node, _)| node.0 == copied)
        })
        .await;
        until("a link stood while the other process dialled again", || {
            let refused = one.links.refusals().duplicates > 1;
            refused && one.links.stats().iter().any(|link| link.age > BACKOFF_MAX / 2)
        })
        .await;
    }
}
