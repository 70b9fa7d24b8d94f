SELECT site, covered_seq FROM watermarks WHERE site > ?1 AND covered_seq > 0 ORDER BY site LIMIT ?2
