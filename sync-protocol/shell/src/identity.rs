//! Who a node is: its key, its certificate, and whom it believes.
