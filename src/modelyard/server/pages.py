"""The page at `/`: what runs here and where its API pages are."""

from collections.abc import Awaitable, Callable
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Modelyard</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}}</style>
<h1>Modelyard</h1>
<p>Machine learning as a service on this machine. Each API has pages that explain and try its calls. They ask for a
token (<em>Authorize</em>), which the first start printed and keeps in <code>admin.token</code>.</p>
<ul>{links}</ul>
<p>Models answer at <code>/v2/models/&lt;endpoint&gt;/infer</code> (Open Inference Protocol) and
<code>/endpoints/&lt;endpoint&gt;/invocations</code>; <code>/endpoints/&lt;endpoint&gt;/docs</code> shows what a
model takes, with examples to try.</p>
<p>On this machine, <code>modelyard --help</code> does the same from the command line, without a token.</p></html>"""

_TITLES = {
    "/registry/v1": "Registry: projects, datasets, models, discovery, tokens",
    "/jobs/v1": "Jobs: algorithms, training, evaluation",
    "/operations/v1": "Operations: endpoints, inferences, feedback, monitors, retraining",
}


def index_page(paths: list[str]) -> Callable[[Request], Awaitable[HTMLResponse]]:
    """A handler that lists the API pages of the applications at `paths`."""
    links = "".join(f'<li><a href="{path}/docs">{escape(_TITLES[path])}</a></li>' for path in paths)
    page = _PAGE.format(links=links)

    async def answer(_request: Request) -> HTMLResponse:
        return HTMLResponse(page)

    return answer
