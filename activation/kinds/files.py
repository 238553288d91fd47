"""Files of audiences, below a directory of the platform or in a store that speaks S3."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
from marshmallow import ValidationError, fields, validate

from activation.audiences.formats import FORMATS, MEDIA_TYPE, SUFFIX, encoded
from activation.audiences.model import Names, batch_id, rows
from activation.audiences.schema import AudienceForm, traits_field
from activation.audiences.signing import Access, Put, path_of, signed
from activation.claims import Claim
from activation.kinds.posting import Post, post
from activation.kinds.protocol import DestinationKind, Late, Message, Reach
from activation.model import Destination, Outcome
from activation.posters import Poster
from activation.schema import kind_field, url_field
from cdp.events import Instant
from cdp.forms import Written
from cdp.times import iso, to_datetime

_FOLDER = Written(
    "^[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64}){0,7}$",
    error="Must be names of letters, digits, _ and -, with / between them.",
)
_BUCKET = Written(
    "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", error="Must be a bucket's name, like my-audiences."
)
_REGION = Written("^[a-z0-9-]{1,40}$", error="Must be a region's name, like eu-central-1.")
_ACCESS = Written("^[!-~]{1,200}$", error="Must be of visible ASCII characters.")


def _can_be_written(form: str) -> None:
    if form == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ValidationError("parquet takes pip install 'cdp[parquet]'; or choose another.")


class _Audiences(AudienceForm):
    """What files have in common."""

    format = fields.String(
        load_default="ndjson", validate=[validate.OneOf(FORMATS), _can_be_written]
    )
    folder = fields.String(required=True, validate=_FOLDER, metadata={"example": "audiences/crm"})
    traits = traits_field()


class FileDestination(_Audiences):
    """A folder below `files` in the platform's data directory, on the machine of each worker."""

    kind = kind_field("file")


class S3Destination(_Audiences):
    """A bucket, at AWS or wherever else S3 is spoken; `folder` is the keys' beginning."""

    kind = kind_field("s3")
    url = url_field("https://s3.eu-central-1.amazonaws.com")
    bucket = fields.String(required=True, validate=_BUCKET, metadata={"example": "audiences"})
    region = fields.String(load_default="us-east-1", validate=_REGION)
    access_key_id = fields.String(required=True, validate=_ACCESS)
    secret_access_key = fields.String(
        load_only=True, validate=_ACCESS, metadata={"description": "kept if left out"}
    )


class Place(Protocol):
    """Where files go; one that is there by that name is replaced."""

    async def put(self, name: str, content: bytes, claim: Claim, now: Instant) -> Outcome:
        """What came of it; Late, and nothing was begun, if the claim was over."""


@dataclass(frozen=True, slots=True)
class Files:
    """Writes a file of what comes at once."""

    destination: Destination
    place: Place
    most: int = 64

    async def send(
        self, messages: Sequence[Message], claim: Claim, now: Instant
    ) -> Sequence[Outcome]:
        """One file; the same deliveries together once more make the same one."""
        settings = self.destination.settings
        names = Names.of(settings)
        deliveries = [each.delivery for each in messages]
        found = [row for each in messages for row in rows(each.delivery, each.view, names)]
        try:
            content = await asyncio.to_thread(encoded, settings["format"], found, names.columns)
        except ModuleNotFoundError:
            return [Outcome(False, None, "pyarrow is not installed")] * len(messages)
        day = iso(min(each.at for each in deliveries))[:10]
        file = f"{batch_id(deliveries)}{SUFFIX[settings['format']]}"
        name = f"{settings['folder']}/date={day}/{file}"
        return [await self.place.put(name, content, claim, now)] * len(messages)

    async def close(self) -> None:
        """Nothing is kept open."""


@dataclass(frozen=True, slots=True)
class Directory:
    """On this machine."""

    root: Path | None
    timeout: float

    async def put(self, name: str, content: bytes, claim: Claim, now: Instant) -> Outcome:
        """It is there whole, and on the disk, or not at all."""
        if self.root is None:
            return Outcome(False, None, "this process has no directory for files")
        try:
            async with asyncio.timeout(self.timeout):
                await asyncio.to_thread(_write, self.root / name, content, claim)
        except (OSError, TimeoutError) as error:
            return Outcome(False, None, type(error).__name__)
        return Outcome(True, None, "")


def _write(path: Path, content: bytes, claim: Claim) -> None:
    if claim.late:
        raise Late
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@dataclass(frozen=True, slots=True)
class Bucket:
    """In a store that speaks S3, by path-style requests."""

    poster: Poster
    destination: Destination
    secret: str

    async def put(self, name: str, content: bytes, claim: Claim, now: Instant) -> Outcome:
        """One PUT."""
        settings = self.destination.settings
        base = httpx.URL(settings["url"].rstrip("/"))
        host = base.netloc.decode()
        path = path_of(settings["bucket"], name)
        access = Access(settings["access_key_id"], self.secret, settings["region"])
        moment = f"{to_datetime(now):%Y%m%dT%H%M%SZ}"
        headers = signed(access, Put(host, path, content), moment)
        headers |= {"content-type": MEDIA_TYPE[settings["format"]], "user-agent": "cdp"}
        url = f"{base.scheme}://{host}{path}"
        told = Post(url, content, headers, self.destination.timeout, "PUT")
        return await post(self.poster, told, claim, now)


def _to_directory(destination: Destination, _: Mapping[str, str], reach: Reach) -> Files:
    return Files(destination, Directory(reach.files, destination.timeout))


def _to_bucket(destination: Destination, secrets: Mapping[str, str], reach: Reach) -> Files:
    bucket = Bucket(reach.poster, destination, secrets["secret_access_key"])
    return Files(destination, bucket)


FILE = DestinationKind(FileDestination, _to_directory, made={})
S3 = DestinationKind(S3Destination, _to_bucket, made={}, needed=frozenset({"secret_access_key"}))
