"""Speed, measured: named layers and networks, simplecell and its peers in the same run.
`python -m benchmarks --help`."""
