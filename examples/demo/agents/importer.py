"""The importer: runs by the clock, has tools of its own names, and so says itself when it waits and when it is done."""

from examples.demo.agents.voice import Script, Voice

AGENT_ID = "invoice-importer"
RATE_LIMITED = 0.4
CORRUPT = 0.2

SYSTEM_PROMPT = """\
You file incoming invoices. For each file: read it, extract supplier, number, date, currency and total, check that the
positions add up, and book it. Amounts are strings with two decimals, dates are ISO 8601. Answer with JSON only.
"""


def import_invoices(me: Voice) -> Script:
    """The invoices of one night."""
    dice = me.world.dice
    yield me.started()
    yield me.heard("awake_from_system", schedule="every night at 02:00")
    yield me.requested("list_inbox")
    files = [f"scan-{dice.randrange(1_000, 9_999)}.pdf" for _ in range(dice.choice((1, 2)))]
    yield me.succeeded("list_inbox", files)
    for file in files:
        total = f"{dice.uniform(20, 900):.2f}"
        yield me.requested("read_pdf", file=file)
        if dice.random() < CORRUPT:
            yield me.tool_failed("read_pdf", f"{file}: unexpected end of file at byte 65,536")
            yield me.failed(f"{file} is corrupt, nothing after it was imported")
            return "failed"
        yield me.succeeded("read_pdf", {"file": file, "pages": 1, "text": f"Rechnung\tTotal CHF {total}\n"})
        yield me.called_model(SYSTEM_PROMPT, f"File {file}:\nRechnung\tTotal CHF {total}", f'{{"total": "{total}"}}')
        if dice.random() < RATE_LIMITED:
            yield me.waiting("429 Too Many Requests: the accounting service takes 60 bookings a minute")
            yield me.resumed("the minute is over")
        yield me.requested("book", file=file, total_chf=total)
        yield me.succeeded("book", {"file": file, "booked": True})
    yield me.completed({"imported": len(files)})
    return "imported"
