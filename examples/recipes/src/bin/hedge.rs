//! A hundred callers of one key, a backend that pauses, and a hedge: above the layer, below it, and without it.
//!
//! `cargo run -p recipes --bin hedge`

use recipes::hedge::{Hedged, herd};

#[tokio::main]
async fn main() {
    for (hedged, name) in
        [(Hedged::WithoutLayer, "without the layer"), (Hedged::Above, "hedge above"), (Hedged::Below, "hedge below")]
    {
        let herd = herd(hedged, 100).await;
        println!(
            "{name:<17} {:>3} of 100 answered, {:>3} calls, {:>4} ms",
            herd.answered,
            herd.calls,
            herd.took.as_millis()
        );
    }
}
