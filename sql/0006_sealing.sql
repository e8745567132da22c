-- Plain backend: while a closed day is rewritten in order of its series, each change of it is noted here by triggers of that
-- partition; the rewritten one takes its place only if there is no note. Only inserted and deleted, no key.
CREATE TABLE perp_seal_changes (
  partition TEXT NOT NULL
);

-- Runs with the rights of the schema's owner: a writer of perp_data needs none on the notes.
CREATE OR REPLACE FUNCTION perp_note_change() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO perp_seal_changes (partition) VALUES (TG_TABLE_NAME);
  RETURN NULL;
END $$;
