SELECT site, covered_seq FROM coverage WHERE site = ANY ($1::uuid[])
