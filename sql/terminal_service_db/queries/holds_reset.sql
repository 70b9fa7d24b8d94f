-- Before everything is projected anew. Ids stay.
UPDATE balance_holds SET position = 0, captured = 0, forfeited = 0, completed = false
