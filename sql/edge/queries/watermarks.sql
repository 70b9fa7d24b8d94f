SELECT site, covered_seq FROM watermarks WHERE covered_seq > 0
