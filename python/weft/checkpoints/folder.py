"""A folder for checkpoints on a file system that Arrow knows: local, ``file://``, ``s3://`` and other URIs.

Thread-safe. Paths are those of `docs/io.md`: what follows ``?`` in a URI are Arrow's options, a key is taken as it
stands.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from typing import Any, Protocol
from urllib.parse import quote

from weft import committing

__all__ = ["Folder", "Sink", "job_folder", "open_folder"]

#: Folders of a job within each other, and one to spare.
FOLDERS_DEEP = 4


class Sink(Protocol):
    """Takes bytes in order."""

    def write(self, data: Any) -> Any: ...


class Folder:
    """Files right below one folder, which need not be there yet. `shown` is what a user would write for it."""

    def __init__(self, file_system: Any, path: str, shown: str, options: str, local: bool) -> None:
        self._fs, self.path, self.shown, self._options, self._local = file_system, path, shown, options, local
        self._conditional = not local and file_system.type_name == "s3"

    @property
    def remote(self) -> bool:
        """Whether it is another host's, by a URI."""
        return not self._local

    def is_damage(self, problem: OSError) -> bool:
        """Whether a file that cannot be read is lost: it is gone, or this host's disk is bad. A server that does not
        answer may do so later."""
        return self._local or isinstance(problem, FileNotFoundError)

    def below(self, *names: str) -> Folder:
        """A folder in this one."""
        path, shown = "/".join((self.path, *names)), "/".join((self.shown, *names))
        return Folder(self._fs, path, shown, self._options, self._local)

    def show(self, name: str) -> str:
        """A file as a user would write it."""
        return f"{self.shown}/{name}{self._options}"

    def _selected(self, recursive: bool) -> list[Any]:
        import pyarrow.fs

        selector = pyarrow.fs.FileSelector(self.path, allow_not_found=True, recursive=recursive)
        found: list[Any] = self._fs.get_file_info(selector)
        return found

    def files(self) -> dict[str, int]:
        """Names and sizes; none where the folder is not there."""
        return {info.base_name: info.size for info in self._selected(False) if info.is_file}

    def all_files(self) -> list[str]:
        """Names of all files below, however deep."""
        return [info.path.removeprefix(f"{self.path}/") for info in self._selected(True) if info.is_file]

    def read(self, name: str) -> Any:
        """A file's bytes, as a buffer; FileNotFoundError where it is not there."""
        with self._fs.open_input_file(f"{self.path}/{name}") as file:
            return file.read_buffer(file.size())

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Sink]:
        """A new file, on disk, or there whole, when the block has ended well."""
        path = f"{self.path}/{name}"
        if self._local:
            os.makedirs(self.path, exist_ok=True)
            with open(path, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            return
        self._make()
        with self._fs.open_output_stream(path) as stream:
            yield stream

    def put(self, name: str, data: bytes) -> None:
        """A small file, seen whole or not at all."""
        if not self._local:
            with self.writing(name) as sink:
                sink.write(data)
            return
        new = f".{name}.{secrets.token_hex(4)}"
        with self.writing(new) as sink:
            sink.write(data)
        os.replace(f"{self.path}/{new}", f"{self.path}/{name}")
        self._sync()

    def put_new(self, name: str, data: bytes) -> bool:
        """The same, if there is none: of several that try one succeeds. `data` differs from what others would put."""
        path = f"{self.path}/{name}"
        if self._local:
            return self._link_new(name, data)
        if self._conditional:
            put = committing.put_new(path, self._options, data)
            if put:
                return True
            if put is False:
                # The answer to the first try may have been lost.
                return bytes(self.read(name)) == data
        import pyarrow.fs

        if self._fs.get_file_info(path).type != pyarrow.fs.FileType.NotFound:
            return False
        self.put(name, data)
        return True

    def _link_new(self, name: str, data: bytes) -> bool:
        new = f".{name}.{secrets.token_hex(4)}"
        with self.writing(new) as sink:
            sink.write(data)
        try:
            os.link(f"{self.path}/{new}", f"{self.path}/{name}")
        except FileExistsError:
            return False
        except OSError as problem:
            if problem.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            # No links here. A reader that comes in between sees a part, and passes it over as damaged.
            try:
                descriptor = os.open(f"{self.path}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:
                return False
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        finally:
            os.unlink(f"{self.path}/{new}")
        self._sync()
        return True

    def delete(self, names: Iterable[str]) -> None:
        """Removes files; what is gone already does not matter."""
        for name in names:
            try:
                self._fs.delete_file(f"{self.path}/{name}")
            except FileNotFoundError:
                pass

    def remove(self) -> None:
        """Removes the folder with all that is in it, if it is there.

        A gateway that keeps S3's objects as files may be asked for a folder before what is in it, and refuses that one
        alone: the next call finds it empty.
        """
        for tries_left in reversed(range(FOLDERS_DEEP)):
            try:
                self._fs.delete_dir(self.path)
                return
            except FileNotFoundError:
                return
            except OSError:
                if tries_left == 0:
                    raise

    def _make(self) -> None:
        if not self._conditional:
            self._fs.create_dir(self.path, recursive=True)

    def _sync(self) -> None:
        """Names are on disk, too."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def job_folder(place: str, job: str) -> Folder:
    """Where the checkpoints of a job lie, below `place`."""
    # A job may have any name; a folder's has no slashes, and does not lead upwards.
    name = quote(job, safe="")
    return open_folder(place).below(name if name.strip(".") else name.replace(".", "%2E"))


def open_folder(place: str) -> Folder:
    """The folder of a path or URI; ValueError for what is neither, OSError for a file system that cannot be had."""
    import pyarrow as pa
    import pyarrow.fs

    if not place:
        raise ValueError("a folder's name is empty")
    scheme, mark, rest = place.partition("://")
    if not mark or scheme == "file":
        if mark and not rest.startswith("/"):
            raise ValueError(f"{place!r}: a file:// path must be absolute (file:///directory/name)")
        path = os.path.abspath(rest if mark else place)
        return Folder(pyarrow.fs.LocalFileSystem(), path, path, "", True)
    rest, query, options = rest.partition("?")
    bucket, _, key = rest.rstrip("/").partition("/")
    try:
        file_system, root = pyarrow.fs.FileSystem.from_uri(f"{scheme}://{bucket}{query}{options}")
    except pa.ArrowInvalid as problem:
        raise ValueError(f"{place!r}: {problem}") from None
    path = "/".join(part for part in (root.rstrip("/"), key) if part)
    return Folder(file_system, path, f"{scheme}://{rest.rstrip('/')}", query + options, False)
