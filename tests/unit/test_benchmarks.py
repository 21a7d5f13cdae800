"""The parts of the benchmarks that turn what servers tell into figures."""

import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509

from benchmarks.certificates import certify
from benchmarks.counters import Cost, Kind
from benchmarks.figure import Figure, Goal, Of
from benchmarks.receivers import address_of
from benchmarks.statements import abridged, statements_within

_LOG = """starting up
||LOG:  database system is ready
costs|publisher relay 17|LOG:  duration: 0.100 ms  parse <unnamed>: SELECT task
\tFROM event_task WHERE task = $1::VARCHAR
costs|publisher relay 17|LOG:  duration: 0.250 ms  execute <unnamed>: SELECT task
\tFROM event_task WHERE task = $1::VARCHAR
costs|publisher worker|LOG:  duration: 2.000 ms  statement: COMMIT
costs|publisher benchmarks|LOG:  duration: 9.000 ms  statement: SELECT 1
other|publisher worker|LOG:  duration: 9.000 ms  statement: COMMIT
"""


@pytest.mark.parametrize(
    ("sql", "short"),
    [
        ("SELECT  a\n FROM b", "SELECT a FROM b"),
        ("WHERE a = $1::TIMESTAMP WITH TIME ZONE", "WHERE a = $"),
        ("WHERE id IN ($1::UUID, $2::UUID, $3::UUID)", "WHERE id IN (…)"),
        ("WHERE (a, b) IN (($1::TEXT, $2::BYTEA), ($3::TEXT, $4::BYTEA))", "WHERE (a, b) IN ((…))"),
        ("unnest($1::UUID[])", "unnest(…)"),
    ],
)
def test_a_statement_reads_the_same_whatever_its_parameters(sql, short):
    assert short == abridged(sql)


def test_a_parameter_takes_no_keyword_with_it():
    assert "a = $ AND b" == abridged("a = $1::VARCHAR AND b")


def test_the_log_tells_who_executed_what_and_how_long_it_took(tmp_path):
    log = tmp_path / "postgres.log"
    log.write_text(_LOG, "utf-8")

    found = list(statements_within(log, slice(0, log.stat().st_size), database="costs"))

    told = [(one.process, one.text, one.executed, one.ms) for one in found]
    select = "SELECT task FROM event_task WHERE task = $"
    assert [
        ("relay", select, 0, 0.1),
        ("relay", select, 1, 0.25),
        ("worker", "COMMIT", 1, 2.0),
    ] == told


def test_what_happens_anyway_is_taken_off_a_cost():
    idle = Cost(seconds=1, items={(Kind.REDIS, "brpop"): 2, (Kind.STATEMENTS, "relay: BEGIN"): 4})
    done = Cost(seconds=5, items={(Kind.REDIS, "brpop"): 30, (Kind.REDIS, "lpush"): 10})

    each = done.less(idle, done.seconds).each(10)

    assert 3 == each.total(Kind.REDIS)
    assert -2 == each.total(Kind.STATEMENTS)


def test_a_figure_without_a_baseline_has_no_ratio_and_misses_a_goal_about_one():
    figure = Figure(
        name="idle", value=3, unit="a second", baseline=None, beside="", goal=Goal(bound=1, of=Of.RATIO)
    )

    row = figure.row()

    assert (None, None, False) == (row["baseline"], row["ratio"], row["met"])


@pytest.mark.parametrize(
    ("value", "met"), [(79, False), (80, True), (100, True), (125, True), (126, False), (0, False)]
)
def test_what_is_to_be_alike_may_be_neither_much_smaller_nor_much_larger(value, met):
    goal = Goal(bound=0.8, of=Of.LIKENESS)
    figure = Figure(name="spread", value=value, unit="per s", baseline=100, beside="few", goal=goal)

    row = figure.row()

    assert ("ratio 0.8-1.25", met) == (row["goal"], row["met"])


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    return certify(250, tmp_path_factory.mktemp("certified") / "certificates")


def test_each_host_shows_a_certificate_that_names_it_and_99_others_at_most(certified):
    shown = [x509.load_pem_x509_certificate(file.read_bytes()) for file in certified.shown]

    named = [set(map(str, _names(one).get_values_for_type(x509.IPAddress))) for one in shown]

    assert all(address_of(host) in named[host % len(named)] for host in range(1, 251))
    assert max(map(len, named)) <= 100


@pytest.mark.parametrize(("host", "trusted"), [(1, True), (250, True), (2, False)])
def test_a_client_that_trusts_the_authority_trusts_a_host_with_its_own_certificate(certified, host, trusted):
    client = ssl.create_default_context(cafile=certified.authority)
    certificate = certified.shown[host % len(certified.shown)]
    address = address_of(host if trusted else host + 1)

    if trusted:
        _shake_hands(client, certificate, address)
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
            _shake_hands(client, certificate, address)


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def _shake_hands(client: ssl.SSLContext, certificate: Path, address: str) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asks = client.wrap_bio(back, there, server_hostname=address)
    answers = server.wrap_bio(there, back, server_side=True)
    for side in (asks, answers, asks, answers):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert asks.cipher() is not None
