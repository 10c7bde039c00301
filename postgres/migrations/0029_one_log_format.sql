-- Chunks of logs are NDJSON, or zstd frames of NDJSON (size is then not 0). Before, a
-- busy worker compressed lines in another format, which nothing reads any more. Those
-- chunks are deleted, and their logs are marked as damaged. A frame declares the size
-- of its content (RFC 8878, 3.1.1.1), which is the size column if it is NDJSON.
-- +goose Up
WITH framed AS (
    SELECT day, execution_id, first_sequence, size, head, get_byte(head, 4) >> 6 AS flag,
        CASE WHEN get_byte(head, 4) & 32 <> 0 THEN 5 ELSE 6 END AS at -- after a window descriptor
    FROM (SELECT *, substring(lines FROM 1 FOR 18) || decode(repeat('00', 18), 'hex') AS head
        FROM execution_logs WHERE size > 0) l
), other AS (
    SELECT day, execution_id, first_sequence FROM framed
    WHERE size <> CASE flag
        WHEN 0 THEN get_byte(head, at)
        WHEN 1 THEN 256 + get_byte(head, at) + (get_byte(head, at + 1) << 8)
        WHEN 2 THEN get_byte(head, at) + (get_byte(head, at + 1) << 8) + (get_byte(head, at + 2) << 16)
        ELSE -1 END
), deleted AS (
    DELETE FROM execution_logs l USING other o
    WHERE l.day = o.day AND l.execution_id = o.execution_id AND l.first_sequence = o.first_sequence
    RETURNING l.execution_id
)
UPDATE executions SET log_damaged = true WHERE id IN (SELECT execution_id FROM deleted);
