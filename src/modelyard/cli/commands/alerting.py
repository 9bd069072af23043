"""alerts, detectors."""

from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.groups import add_group
from modelyard.cli.output import when
from modelyard.cli.session import Session
from modelyard.types.monitoring import AlertChannel

PANEL = "Watching and retraining"
Channel = Annotated[str, typer.Argument(help="Name of the channel.")]
Detector = Annotated[str, typer.Argument(help="Name of the detector.")]
Kinds = Annotated[
    list[str] | None, typer.Option("--event", help="Kind of event to send, e.g. drift_found or 'rollout_*'; repeat.")
]
Of = Annotated[str | None, typer.Option("--endpoint", help="Only events of this endpoint.")]
Sure = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def declare(app: typer.Typer) -> None:
    """Add the groups."""
    add_group(app, "alerts", _declare_alerts, help="Tell people and programs what monitors find.", panel=PANEL)
    add_group(app, "detectors", _declare_detectors, help="What monitors can look for.", panel=PANEL)


def _declare_alerts(group: typer.Typer) -> None:
    command(group, "webhook")(create_webhook)
    command(group, "email")(create_email)
    command(group, "list")(list_channels)
    command(group, "test")(send_test)
    command(group, "deliveries")(list_deliveries)
    command(group, "delete")(delete_channel)


def _declare_detectors(group: typer.Typer) -> None:
    command(group, "upload")(upload_detector)
    command(group, "use-image")(use_image)
    command(group, "list")(list_detectors)
    command(group, "show")(show_detector)
    command(group, "delete")(delete_detector)


def create_webhook(
    session: Session,
    name: Channel,
    target: Annotated[str, typer.Argument(help="URL that is posted to.")],
    event: Kinds = None,
    endpoint: Of = None,
) -> None:
    """A channel that posts alerts and events as signed JSON; prints the signing secret, once."""
    channel = session.client.alerts.create_webhook(name, target, events=event or (), endpoint=endpoint)
    fields = {"Channel": channel.name, "Url": channel.target, "Events": _taken(channel), "Secret": channel.secret}
    session.out.record(channel, fields)


def create_email(
    session: Session,
    name: Channel,
    address: Annotated[str, typer.Argument(help="Who gets the mail.")],
    event: Kinds = None,
    endpoint: Of = None,
) -> None:
    """A channel that mails alerts and events; the platform needs MODELYARD_SMTP_URL."""
    channel = session.client.alerts.create_email(name, address, events=event or (), endpoint=endpoint)
    session.out.done(channel, f"{name} mails to {address}. Try it: modelyard alerts test {name}")


def list_channels(session: Session) -> None:
    """Alert channels."""
    session.out.table(
        session.client.alerts.list(),
        {
            "Name": lambda channel: channel.name,
            "Kind": lambda channel: channel.kind,
            "To": lambda channel: channel.target,
            "Events": _taken,
        },
        empty="There are no channels. Make one: modelyard alerts webhook NAME URL",
    )


def _taken(channel: AlertChannel) -> str:
    return ", ".join(channel.events) + (f" of {channel.endpoint}" if channel.endpoint and channel.events else "")


def send_test(session: Session, name: Channel) -> None:
    """Send a test alert."""
    delivery = session.client.alerts.test(name)
    session.out.done(delivery, "It is on its way. What became of it: modelyard alerts deliveries")


def list_deliveries(
    session: Session, limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 30
) -> None:
    """What was sent to whom, and what became of it, newest first."""
    found = []
    for delivery in session.client.alerts.deliveries():
        found.append(delivery)
        if len(found) == limit:
            break
    session.out.table(
        found,
        {
            "At": lambda delivery: when(delivery.created_at),
            "Channel": lambda delivery: delivery.channel,
            "Kind": lambda delivery: delivery.content.kind,
            "Status": lambda delivery: delivery.status,
            "Tries": lambda delivery: delivery.attempts,
            "Error": lambda delivery: delivery.error,
            "Message": lambda delivery: delivery.content.message,
        },
        empty="Nothing was sent yet.",
    )


def delete_channel(session: Session, name: Channel, yes: Sure = False) -> None:
    """Delete a channel."""
    session.confirm(f"Delete alert channel {name}?", is_sure=yes)
    session.client.alerts.delete(name)
    session.out.done({"deleted": name}, f"Deleted alert channel {name}.")


def upload_detector(
    session: Session,
    name: Detector,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Python file with one Detector.")],
    description: Annotated[str, typer.Option(help="What it looks for.")] = "",
) -> None:
    """Keep a detector of your own; the project must permit code."""
    kept = session.client.detectors.upload(name, file, description=description)
    session.out.done(kept, f"Kept {name}. Use it: modelyard monitors create NAME --endpoint ENDPOINT --detector {name}")


def use_image(
    session: Session,
    name: Detector,
    image: Annotated[str, typer.Argument(help="Its reference; what it means now is what will run.")],
    words: Annotated[list[str] | None, typer.Argument(metavar="[COMMAND]...", help="What it runs.")] = None,
    description: Annotated[str, typer.Option(help="What it looks for.")] = "",
) -> None:
    """Have a container image be a detector of your own; the project must permit code."""
    with session.out.waiting("Looking for the image"):
        kept = session.client.detectors.use_image(name, image, command=words or (), description=description)
    digest = kept.image.digest if kept.image else ""
    session.out.done(kept, f"Kept {name}, which runs {digest}.")


def list_detectors(session: Session) -> None:
    """All that monitors can look for."""
    session.out.table(
        [*session.client.detectors.list()],
        {
            "Name": lambda detector: detector.name,
            "Your own": lambda detector: "yes" if detector.version else "",
            "Looks for": lambda detector: detector.description,
        },
        empty="There are none.",
    )


def show_detector(session: Session, name: Detector) -> None:
    """A detector of your own, with its source or its image."""
    detector = session.client.detectors.get(name)
    fields = {
        "Detector": detector.name,
        "Looks for": detector.description,
        "Image": detector.image.reference if detector.image else None,
        "Digest": detector.image.digest if detector.image else None,
        "Command": " ".join(detector.image.command) if detector.image else None,
        "Source": detector.source,
    }
    session.out.record(detector, fields)


def delete_detector(session: Session, name: Detector, yes: Sure = False) -> None:
    """Delete a detector of your own."""
    session.confirm(f"Delete detector {name}?", is_sure=yes)
    session.client.detectors.delete(name)
    session.out.done({"deleted": name}, f"Deleted detector {name}.")
