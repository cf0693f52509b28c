//! Tables, JSON and Markdown of comparisons whose truth is known.
