"""What is made of the results of `cargo bench --bench ratios`."""
