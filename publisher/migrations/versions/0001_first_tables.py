"""The first tables."""

from alembic import op
from sqlalchemy import text

from publisher.partitions import PARTITIONED, create_default_partition

revision = "0001"
down_revision = None

# The label of the feed that carries everything.
_ALL = "018f0000-0000-7000-8000-000000000001"

_TABLES = """
CREATE TABLE api_key (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT[] NOT NULL,
    digest BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    UNIQUE (digest)
);

CREATE TABLE article (
    id UUID NOT NULL,
    uri TEXT NOT NULL,
    status TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    public_revision INTEGER,
    published TIMESTAMP WITH TIME ZONE NOT NULL,
    updated TIMESTAMP WITH TIME ZONE NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    first_visible_at TIMESTAMP WITH TIME ZONE,
    retracted_at TIMESTAMP WITH TIME ZONE,
    retraction_reason TEXT,
    PRIMARY KEY (id),
    UNIQUE (uri)
) WITH (
    fillfactor = 85, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX article_status ON article (status, id);

CREATE TABLE attempt (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    delivery_id UUID NOT NULL,
    endpoint_id UUID NOT NULL,
    number SMALLINT NOT NULL,
    trigger TEXT NOT NULL,
    url TEXT NOT NULL,
    status SMALLINT,
    error TEXT,
    duration_ms INTEGER NOT NULL,
    address TEXT,
    response_headers JSONB,
    response_body TEXT,
    PRIMARY KEY (id, at)
)
 PARTITION BY RANGE (at);

CREATE INDEX attempt_delivery ON attempt (delivery_id, number);

CREATE TABLE delivery (
    id UUID DEFAULT gen_random_uuid() NOT NULL,
    message_id UUID NOT NULL,
    message_time TIMESTAMP WITH TIME ZONE NOT NULL,
    endpoint_id UUID NOT NULL,
    article_id UUID,
    sequence INTEGER,
    shard SMALLINT NOT NULL,
    state TEXT NOT NULL,
    attempts SMALLINT DEFAULT 0 NOT NULL,
    next_attempt_at TIMESTAMP WITH TIME ZONE,
    trigger TEXT DEFAULT 'auto' NOT NULL,
    last_status SMALLINT,
    PRIMARY KEY (id),
    UNIQUE (endpoint_id, message_id)
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX delivery_article ON delivery (article_id, endpoint_id);

CREATE INDEX delivery_due ON delivery (shard, next_attempt_at) WHERE state = 'pending';

CREATE INDEX delivery_failed ON delivery (endpoint_id, message_id) WHERE state = 'failed';

CREATE INDEX delivery_held ON delivery (endpoint_id, id) WHERE state = 'held';

CREATE TABLE endpoint (
    id UUID NOT NULL,
    owner UUID,
    url TEXT NOT NULL,
    description TEXT,
    filter JSONB NOT NULL,
    filter_hash BYTEA NOT NULL,
    shard SMALLINT NOT NULL,
    enabled BOOLEAN DEFAULT true NOT NULL,
    disabled_reason TEXT,
    disabled_at TIMESTAMP WITH TIME ZONE,
    paused_until TIMESTAMP WITH TIME ZONE,
    rate_per_s FLOAT,
    max_in_flight INTEGER,
    fifo BOOLEAN DEFAULT false NOT NULL,
    timeout_s FLOAT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id)
);

CREATE INDEX endpoint_filter ON endpoint (filter_hash, id) WHERE deleted_at IS NULL;

CREATE TABLE event (
    id UUID NOT NULL,
    time TIMESTAMP WITH TIME ZONE NOT NULL,
    type TEXT NOT NULL,
    subject UUID NOT NULL,
    data JSONB NOT NULL,
    PRIMARY KEY (id, time)
)
 PARTITION BY RANGE (time);

CREATE INDEX event_subject ON event (subject, time);

CREATE TABLE event_task (
    task TEXT NOT NULL,
    event_id UUID NOT NULL,
    queue TEXT NOT NULL,
    type TEXT NOT NULL,
    subject UUID NOT NULL,
    data JSONB NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    token UUID,
    lease_until TIMESTAMP WITH TIME ZONE,
    started_at TIMESTAMP WITH TIME ZONE,
    starts INTEGER DEFAULT 0 NOT NULL,
    failures INTEGER DEFAULT 0 NOT NULL,
    last_error TEXT,
    stuck BOOLEAN DEFAULT false NOT NULL,
    PRIMARY KEY (task, event_id)
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX event_task_due ON event_task (queue, due_at) WHERE token IS NULL AND NOT stuck;

CREATE INDEX event_task_leased ON event_task (lease_until) WHERE token IS NOT NULL;

CREATE INDEX event_task_stuck ON event_task (event_id) WHERE stuck;

CREATE INDEX event_task_subject ON event_task (subject);

CREATE TABLE label (
    id UUID NOT NULL,
    kind TEXT NOT NULL,
    slug TEXT NOT NULL,
    term TEXT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (kind, slug)
);

CREATE TABLE message (
    id UUID NOT NULL,
    time TIMESTAMP WITH TIME ZONE NOT NULL,
    type TEXT NOT NULL,
    article_id UUID,
    sequence INTEGER,
    body BYTEA,
    PRIMARY KEY (id, time)
)
 PARTITION BY RANGE (time);

CREATE INDEX message_article ON message (article_id);

CREATE TABLE sender (
    id UUID NOT NULL,
    beat_at TIMESTAMP WITH TIME ZONE NOT NULL,
    in_flight INTEGER NOT NULL,
    PRIMARY KEY (id)
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50,
    autovacuum_vacuum_cost_delay = 0
);

CREATE TABLE shard_lease (
    shard SMALLINT NOT NULL,
    holder UUID,
    token BIGINT DEFAULT 0 NOT NULL,
    until TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (shard)
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100,
    autovacuum_vacuum_cost_delay = 0
);

CREATE TABLE step (
    event_id UUID NOT NULL,
    task TEXT NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE NOT NULL,
    type TEXT NOT NULL,
    subject UUID NOT NULL,
    queued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (event_id, task, ended_at)
)
 PARTITION BY RANGE (ended_at);

CREATE INDEX step_subject ON step (subject, ended_at);

CREATE TABLE article_key (
    kind TEXT NOT NULL,
    digest BYTEA NOT NULL,
    value TEXT NOT NULL,
    article_id UUID NOT NULL,
    PRIMARY KEY (kind, digest),
    FOREIGN KEY(article_id) REFERENCES article (id) ON DELETE CASCADE
);

CREATE INDEX article_key_article ON article_key (article_id);

CREATE TABLE article_label (
    article_id UUID NOT NULL,
    label_id UUID NOT NULL,
    first_visible_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (article_id, label_id),
    FOREIGN KEY(article_id) REFERENCES article (id) ON DELETE CASCADE,
    FOREIGN KEY(label_id) REFERENCES label (id)
);

CREATE INDEX article_label_newest ON article_label (label_id, first_visible_at, article_id);

CREATE TABLE endpoint_secret (
    id UUID NOT NULL,
    endpoint_id UUID NOT NULL,
    encrypted BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (id),
    FOREIGN KEY(endpoint_id) REFERENCES endpoint (id) ON DELETE CASCADE
);

CREATE INDEX endpoint_secret_endpoint ON endpoint_secret (endpoint_id);

CREATE TABLE entry (
    article_id UUID NOT NULL,
    sequence INTEGER NOT NULL,
    updated TIMESTAMP WITH TIME ZONE NOT NULL,
    atom TEXT NOT NULL,
    rss TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (article_id),
    FOREIGN KEY(article_id) REFERENCES article (id) ON DELETE CASCADE
);

CREATE TABLE feed (
    label_id UUID NOT NULL,
    generation BIGINT DEFAULT 0 NOT NULL,
    required_generation BIGINT DEFAULT 0 NOT NULL,
    owed_since TIMESTAMP WITH TIME ZONE,
    rendered_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (label_id),
    FOREIGN KEY(label_id) REFERENCES label (id)
) WITH (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200,
    autovacuum_vacuum_cost_delay = 0
);

CREATE TABLE feed_document (
    label_id UUID NOT NULL,
    format TEXT NOT NULL,
    generation BIGINT NOT NULL,
    etag TEXT NOT NULL,
    body BYTEA NOT NULL,
    body_gzip BYTEA NOT NULL,
    PRIMARY KEY (label_id, format),
    FOREIGN KEY(label_id) REFERENCES label (id)
);

CREATE TABLE idempotency (
    api_key_id UUID NOT NULL,
    key TEXT NOT NULL,
    request_digest BYTEA NOT NULL,
    status SMALLINT NOT NULL,
    headers JSONB NOT NULL,
    encrypted_body BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (api_key_id, key),
    FOREIGN KEY(api_key_id) REFERENCES api_key (id) ON DELETE CASCADE
);

CREATE INDEX idempotency_created ON idempotency (created_at);

CREATE TABLE revision (
    article_id UUID NOT NULL,
    sequence INTEGER NOT NULL,
    url TEXT,
    guid TEXT,
    title TEXT NOT NULL,
    summary TEXT,
    language TEXT,
    content_html TEXT,
    content_text TEXT,
    details JSONB NOT NULL,
    digest BYTEA NOT NULL,
    visible_from TIMESTAMP WITH TIME ZONE,
    notify BOOLEAN NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    slug TEXT,
    word_count INTEGER,
    reading_minutes INTEGER,
    derived TEXT[] NOT NULL,
    enriched_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (article_id, sequence),
    FOREIGN KEY(article_id) REFERENCES article (id) ON DELETE CASCADE
);

CREATE TABLE tombstone (
    article_id UUID NOT NULL,
    label_id UUID NOT NULL,
    uri TEXT NOT NULL,
    retracted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (article_id, label_id),
    FOREIGN KEY(article_id) REFERENCES article (id) ON DELETE CASCADE,
    FOREIGN KEY(label_id) REFERENCES label (id)
);

CREATE INDEX tombstone_newest ON tombstone (label_id, retracted_at);
"""

_SEEDS = f"""
INSERT INTO label (id, kind, slug, term) VALUES ('{_ALL}', 'all', 'all', 'all');

INSERT INTO feed (label_id) VALUES ('{_ALL}');

INSERT INTO shard_lease (shard) SELECT generate_series(0, 63);
"""


def upgrade() -> None:
    """Create every table, the default partitions, and the rows that are always there."""
    connection = op.get_bind()
    for statement in (_TABLES + _SEEDS).split(";\n"):
        if statement.strip():
            connection.execute(text(statement))
    for table in PARTITIONED:
        create_default_partition(connection, table)
