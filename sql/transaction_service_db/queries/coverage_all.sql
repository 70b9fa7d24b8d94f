SELECT site, covered_seq FROM coverage WHERE covered_seq > 0
