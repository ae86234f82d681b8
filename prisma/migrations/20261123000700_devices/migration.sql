-- A spec's device has become a kind of device. What it was before, any text, asked for nothing. The fields keep their order.
UPDATE "jobs" SET "spec" = (
    SELECT json_object_agg(key, CASE WHEN key = 'device' THEN 'null'::json ELSE value END ORDER BY place)
    FROM json_each("spec") WITH ORDINALITY AS field(key, value, place)
) WHERE "spec"->>'device' NOT IN ('cpu', 'gpu');

UPDATE "models" SET "spec" = (
    SELECT json_object_agg(key, CASE WHEN key = 'device' THEN 'null'::json ELSE value END ORDER BY place)
    FROM json_each("spec") WITH ORDINALITY AS field(key, value, place)
) WHERE "spec"->>'device' NOT IN ('cpu', 'gpu');
