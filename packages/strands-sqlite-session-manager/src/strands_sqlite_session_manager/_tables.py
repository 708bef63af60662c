"""The tables of each schema version, as what it adds to the one before."""

from __future__ import annotations

_NOW = "(strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'))"

VERSION_1 = f"""
CREATE TABLE migrations (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at TEXT NOT NULL DEFAULT {_NOW}
);

-- In every table change_id is the change counter: a row gets a new, higher one whenever it is written.
CREATE TABLE sessions (
    change_id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL UNIQUE,
    session_type TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT {_NOW},
    updated_at TEXT NOT NULL DEFAULT {_NOW},
    extra TEXT -- JSON object: fields of a newer SDK, kept for it
);

CREATE TABLE agents (
    change_id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
    agent_id TEXT NOT NULL,
    state TEXT NOT NULL, -- JSON, as the next two
    conversation_manager_state TEXT NOT NULL,
    internal_state TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT {_NOW},
    updated_at TEXT NOT NULL DEFAULT {_NOW},
    extra TEXT,
    UNIQUE (session_id, agent_id)
);

CREATE TABLE messages (
    change_id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    message_id INTEGER NOT NULL, -- its place in the conversation
    message TEXT NOT NULL, -- JSON: role and content
    redact_message TEXT, -- JSON: what a guardrail put in its place
    created_at TEXT NOT NULL DEFAULT {_NOW},
    updated_at TEXT NOT NULL DEFAULT {_NOW},
    extra TEXT,
    UNIQUE (session_id, agent_id, message_id),
    FOREIGN KEY (session_id, agent_id) REFERENCES agents (session_id, agent_id) ON DELETE CASCADE
);

CREATE TABLE multi_agents (
    change_id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
    multi_agent_id TEXT NOT NULL,
    state TEXT NOT NULL, -- JSON
    created_at TEXT NOT NULL DEFAULT {_NOW},
    updated_at TEXT NOT NULL DEFAULT {_NOW},
    UNIQUE (session_id, multi_agent_id)
);

-- What changed in an agent's state, and the last message stored by then. Rows may be folded into later ones.
CREATE TABLE agent_state_history (
    session_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    change_number INTEGER NOT NULL, -- counts the changes of this agent
    message_id INTEGER, -- NULL: before the first message
    changes TEXT NOT NULL, -- JSON: by column of agents, top-level values to "set" and "remove", or to "replace" it all
    created_at TEXT NOT NULL DEFAULT {_NOW},
    PRIMARY KEY (session_id, agent_id, change_number),
    FOREIGN KEY (session_id, agent_id) REFERENCES agents (session_id, agent_id) ON DELETE CASCADE
) WITHOUT ROWID;

-- Large binary values of messages, each stored once; the JSON of a message names them by sha256.
CREATE TABLE blobs (
    blob_id INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    content BLOB NOT NULL
);

CREATE TABLE message_blobs (
    session_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    message_id INTEGER NOT NULL,
    blob_id INTEGER NOT NULL REFERENCES blobs (blob_id),
    PRIMARY KEY (session_id, agent_id, message_id, blob_id),
    FOREIGN KEY (session_id, agent_id, message_id)
        REFERENCES messages (session_id, agent_id, message_id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX message_blobs_by_blob ON message_blobs (blob_id);

-- Sessions that were deleted; their change_id is above every other, so that no counter is given twice.
CREATE TABLE deletions (
    change_id INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL,
    deleted_at TEXT NOT NULL DEFAULT {_NOW}
);

CREATE VIEW transcript AS
SELECT
    session_id,
    agent_id,
    message_id,
    json_extract(shown, '$.role') AS role,
    (
        SELECT group_concat(
            CASE
                WHEN block.type <> 'object' THEN block.value
                WHEN json_extract(block.value, '$.text') IS NOT NULL THEN json_extract(block.value, '$.text')
                WHEN json_extract(block.value, '$.toolUse') IS NOT NULL THEN '[calls '
                    || ifnull(json_extract(block.value, '$.toolUse.name'), '?') || ' '
                    || ifnull(json_extract(block.value, '$.toolUse.input'), '') || ']'
                WHEN json_extract(block.value, '$.toolResult') IS NOT NULL THEN '[result '
                    || ifnull(json_extract(block.value, '$.toolResult.content'), '') || ']'
                ELSE '[' || ifnull((SELECT kind.key FROM json_each(block.value) AS kind LIMIT 1), '') || ']'
            END,
            char(10)
        )
        FROM json_each(shown, '$.content') AS block
    ) AS said,
    created_at
FROM (SELECT *, coalesce(redact_message, message) AS shown FROM messages);
"""


VERSION_2 = f"""
-- What SQLiteStorage keeps: bytes under a key. A row is never changed but written anew: a change_id stands for bytes.
CREATE TABLE objects (
    change_id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL, -- in bytes
    content BLOB, -- NULL: in parts
    created_at TEXT NOT NULL DEFAULT {_NOW},
    updated_at TEXT NOT NULL DEFAULT {_NOW}
);

-- An object in parts is, in the order of position, runs of parts whose ids follow each other, and bytes of its own.
CREATE TABLE object_parts (
    change_id INTEGER NOT NULL REFERENCES objects (change_id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    first_part INTEGER,
    last_part INTEGER,
    skipped INTEGER NOT NULL DEFAULT 0, -- so many bytes at the beginning of first_part do not belong to the object
    content BLOB,
    PRIMARY KEY (change_id, position)
) WITHOUT ROWID;
CREATE INDEX object_parts_by_part ON object_parts (first_part, last_part) WHERE first_part IS NOT NULL;

CREATE TABLE parts (
    part_id INTEGER PRIMARY KEY,
    hash INTEGER, -- of the content; NULL: too small to be looked for
    content BLOB NOT NULL
);
CREATE INDEX parts_by_hash ON parts (hash) WHERE hash IS NOT NULL;

-- What has been searched is indexed, from change to change, whenever it is searched again.
CREATE TABLE search_scopes (
    scope_id INTEGER PRIMARY KEY,
    prefix TEXT NOT NULL UNIQUE, -- of the keys
    indexed_to INTEGER NOT NULL DEFAULT 0 -- the last change_id that was looked at
);

CREATE TABLE search_entries (
    entry_id INTEGER PRIMARY KEY, -- the rowid in search_index
    change_id INTEGER REFERENCES objects (change_id) ON DELETE SET NULL, -- NULL: to be taken out of the index
    key TEXT NOT NULL -- of the object, below the prefix
);
CREATE INDEX search_entries_by_object ON search_entries (change_id);

-- Every word has the mark of its scope in front: what is rare in one may be common in another.
CREATE VIRTUAL TABLE search_index USING fts5 (
    words, content = '', contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
);
"""


VERSION_3 = """
-- What people note about a session.
ALTER TABLE sessions ADD COLUMN title TEXT;
ALTER TABLE sessions ADD COLUMN metadata TEXT; -- JSON object
CREATE TABLE session_tags (
    session_id TEXT NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (tag, session_id)
) WITHOUT ROWID;
CREATE INDEX session_tags_by_session ON session_tags (session_id);

-- A rewind deletes the last messages of an agent; where both are NULL, the whole session was deleted.
ALTER TABLE deletions ADD COLUMN agent_id TEXT;
ALTER TABLE deletions ADD COLUMN first_message_id INTEGER;

-- The tables from here on follow the others when they are asked, never when something is written.
CREATE TABLE session_activity (
    session_id TEXT PRIMARY KEY REFERENCES sessions (session_id) ON DELETE CASCADE,
    last_activity TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_activity_by_time ON session_activity (last_activity, session_id);

-- The change_id up to which they have followed.
CREATE TABLE watermarks (
    name TEXT PRIMARY KEY,
    change_id INTEGER NOT NULL
) WITHOUT ROWID;

-- What messages say; rowid is their change_id.
CREATE VIRTUAL TABLE message_index USING fts5 (
    words, content = '', contentless_delete = 1,
    tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
);
CREATE TRIGGER message_leaves_index AFTER DELETE ON messages
BEGIN
    DELETE FROM message_index WHERE rowid = old.change_id;
END;
CREATE TRIGGER changed_message_leaves_index AFTER UPDATE OF change_id ON messages
BEGIN
    DELETE FROM message_index WHERE rowid = old.change_id;
END;

-- For people, and for tools that show tables: these views stay as they are.
CREATE VIEW session_overview AS
SELECT
    session_id,
    title,
    (SELECT group_concat(tag, ', ') FROM session_tags WHERE session_tags.session_id = sessions.session_id) AS tags,
    created_at,
    max(
        created_at,
        ifnull((
            SELECT max(max(updated_at, ifnull((
                SELECT created_at FROM messages
                WHERE messages.session_id = agents.session_id AND messages.agent_id = agents.agent_id
                ORDER BY message_id DESC LIMIT 1
            ), '')))
            FROM agents WHERE agents.session_id = sessions.session_id
        ), ''),
        ifnull((SELECT max(updated_at) FROM multi_agents WHERE multi_agents.session_id = sessions.session_id), '')
    ) AS last_activity,
    (SELECT group_concat(agent_id, ', ') FROM agents WHERE agents.session_id = sessions.session_id) AS agents,
    (SELECT count(*) FROM messages WHERE messages.session_id = sessions.session_id) AS messages,
    metadata
FROM sessions;

CREATE VIEW tool_calls AS
SELECT
    calls.session_id,
    calls.agent_id,
    calls.message_id,
    json_extract(call.value, '$.toolUse.name') AS tool,
    json_extract(call.value, '$.toolUse.input') AS input,
    json_extract(answer.value, '$.toolResult.status') AS status,
    coalesce(
        json_extract(answer.value, '$.toolResult.content[0].text'), json_extract(answer.value, '$.toolResult.content')
    ) AS result,
    json_extract(call.value, '$.toolUse.toolUseId') AS tool_use_id,
    calls.created_at
FROM messages AS calls, json_each(coalesce(calls.redact_message, calls.message), '$.content') AS call
LEFT JOIN messages AS answers
    ON answers.session_id = calls.session_id AND answers.agent_id = calls.agent_id
    AND answers.message_id = calls.message_id + 1
LEFT JOIN json_each(coalesce(answers.redact_message, answers.message), '$.content') AS answer
    ON json_extract(answer.value, '$.toolResult.toolUseId') = json_extract(call.value, '$.toolUse.toolUseId')
WHERE call.type = 'object' AND json_extract(call.value, '$.toolUse') IS NOT NULL;

CREATE VIEW state_changes AS
SELECT session_id, agent_id, message_id, part.key AS part, 'set' AS change, item.key AS name, item.value, created_at
FROM agent_state_history, json_each(changes) AS part, json_each(part.value, '$.set') AS item
UNION ALL
SELECT session_id, agent_id, message_id, part.key, 'removed', item.value, NULL, created_at
FROM agent_state_history, json_each(changes) AS part, json_each(part.value, '$.remove') AS item
UNION ALL
SELECT session_id, agent_id, message_id, part.key, 'replaced', NULL, json_extract(part.value, '$.replace'), created_at
FROM agent_state_history, json_each(changes) AS part
WHERE json_type(part.value, '$.replace') IS NOT NULL;

CREATE VIEW stored_objects AS
SELECT
    key,
    size,
    created_at,
    updated_at,
    CASE WHEN content IS NOT NULL THEN CAST(content AS TEXT) ELSE (
        SELECT group_concat(CAST(piece AS TEXT), '')
        FROM (
            SELECT ifnull(
                own.content,
                substr(parts.content, 1 + iif(parts.part_id = own.first_part, own.skipped, 0))
            ) AS piece
            FROM object_parts AS own LEFT JOIN parts ON parts.part_id BETWEEN own.first_part AND own.last_part
            WHERE own.change_id = objects.change_id
            ORDER BY own.position, parts.part_id
        )
    ) END AS text
FROM objects;
"""


VERSION_4 = f"""
-- Keys of objects that were deleted, for whoever keeps a copy of them; one that was written again is in objects.
CREATE TABLE object_deletions (
    change_id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL,
    deleted_at TEXT NOT NULL DEFAULT {_NOW}
);

-- Copies of this database elsewhere, such as in S3. A copy carries a token: one that is known here was made from here.
CREATE TABLE mirrors (
    place TEXT PRIMARY KEY,
    tokens TEXT NOT NULL, -- JSON array of text, the newest last
    updated_at TEXT NOT NULL DEFAULT {_NOW}
) WITHOUT ROWID;
"""


NULLABLE = frozenset(
    {
        "sessions.extra",
        "sessions.title",
        "sessions.metadata",
        "agents.extra",
        "messages.redact_message",
        "messages.extra",
        "agent_state_history.message_id",
        "deletions.agent_id",
        "deletions.first_message_id",
        "objects.content",
        "object_parts.first_part",
        "object_parts.last_part",
        "object_parts.content",
        "parts.hash",
        "search_entries.change_id",
    }
)
"""The columns that may hold NULL."""
