-- Before everything is projected anew: any settled state counts as newer. What is shown stays until then.
UPDATE users SET revision = 0 WHERE revision <> 0
