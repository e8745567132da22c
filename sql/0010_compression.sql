-- TimescaleDB's Community edition compresses a series' chunks that ended so many days ago. 0: no more; NULL: nobody said
-- anything, and setup leaves to the database what it finds.
ALTER TABLE perp_series ADD COLUMN compress_days INT CHECK (compress_days >= 0);

-- Before there was one switch for the two hot tables, with a day. Other editions kept a wish that they cannot fulfil.
UPDATE perp_series SET compress_days = CASE s.value WHEN 'on' THEN 1 ELSE 0 END
  FROM perp_settings s
  WHERE s.name = 'compress' AND table_name IN ('perp_data', 'perp_metrics')
    AND EXISTS (SELECT FROM perp_settings b WHERE b.name = 'backend' AND b.value = 'timescale');
DELETE FROM perp_settings WHERE name = 'compress';
