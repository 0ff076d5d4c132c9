"""Hostile files: pictures that grow, meshes that lie, pipes, links in circles, odd names."""

import os
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

PNG = b"\x89PNG\r\n\x1a\n"
TRIANGLES = [  # of a tetrahedron
    ((0, 0, 0), (0, 1, 0), (1, 0, 0)),
    ((0, 0, 0), (1, 0, 0), (0, 0, 1)),
    ((0, 0, 0), (0, 0, 1), (0, 1, 0)),
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
]


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int = 2,
    height: int = 2,
    extra: bytes = b"",
    rows: bytes | None = None,
    depth: int = 8,
    colours: int = 2,
) -> bytes:
    """A PNG of these sizes with further chunks; rows: its pixels, by default all that it needs."""
    header = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    pixels = bytes(height * (1 + 3 * width)) if rows is None else rows
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(pixels, 9))
    return PNG + body + chunk(b"IEND", b"")


def stl(triangles: int | None = None) -> bytes:
    """A binary STL of a tetrahedron, whose header may state another number of triangles."""
    count = len(TRIANGLES) if triangles is None else triangles
    body = b"".join(
        struct.pack("<12fH", 0, 0, 0, *(x for point in triangle for x in point), 0)
        for triangle in TRIANGLES
    )
    return bytes(80) + struct.pack("<I", count % 2**32) + body


def obj(face: str = "f 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n", vertex: str = "0 0 0") -> bytes:
    """An OBJ of a tetrahedron, with these faces and this first vertex."""
    return f"v {vertex}\nv 1 0 0\nv 0 1 0\nv 0 0 1\n{face}".encode()


def write_assets(folder: Path) -> None:
    """The files that the rich scene reads, as they should be."""
    parts = folder / "parts"
    parts.mkdir(exist_ok=True)
    (parts / "picture.png").write_bytes(png())
    (parts / "part.stl").write_bytes(stl())
    (parts / "part.obj").write_bytes(obj())


def hostile_place(rng: random.Random, folder: Path) -> Path:
    """A folder for the scene, most often an ordinary one."""
    names = [b"family", b"family", b"family", b"\xff\xfe", "ünï🐍".encode(), b"a b", b"x" * 200]
    names += [b"a\nb", b"-rf", b"%s", b"'quoted'", b"con", b"..."]
    place = Path(os.fsdecode(os.fsencode(folder) + b"/" + rng.choice(names)))
    place.mkdir()
    return place


def spoil(rng: random.Random, folder: Path, scene: Path) -> Path:
    """Spoil a file of the rich scene, or its own; returns the scene's path."""
    spoilers: list[Callable[[random.Random, Path, Path], Path]] = [
        _spoil_picture, _spoil_picture, _spoil_mesh, _spoil_mesh, _replace, _include, _rename, _cut
    ]  # fmt: skip
    return rng.choice(spoilers)(rng, folder, scene)


BOMB = zlib.compress(bytes(300_000_000), 9)  # 300 kB that become 300 MB
PICTURES: list[Callable[[], bytes]] = [
    lambda: png(30_000, 30_000, rows=b""),
    lambda: png(1, 1, chunk(b"zTXt", b"a\0\0" + BOMB)),
    lambda: png(1, 1, chunk(b"iCCP", b"a\0\0" + BOMB)),
    lambda: png(1, 1, chunk(b"iTXt", b"a\0\1\0\0\0" + BOMB)),
    lambda: png(1, 1, chunk(b"zTXt", b"a\0\0" + BOMB) * 20),
    lambda: png(1, 1, rows=bytes(300_000_000)),
    lambda: png(0, 0),
    lambda: png(2**31, 1, rows=b""),
    lambda: png(2**32 - 1, 2**32 - 1, rows=b""),
    lambda: png(5000, 5000, rows=b""),
    lambda: png(2, 2, depth=3),
    lambda: png(2, 2, depth=16, colours=6, rows=bytes(100)),
    lambda: png(2, 2, colours=3),
    lambda: png() + png(20_000, 20_000, rows=b""),
    lambda: png()[:40],
    lambda: PNG,
    lambda: b"",
    lambda: b"\x89PNG",
    lambda: b"GIF89a" + bytes(100),
    lambda: struct.pack("<ii", 2**30, 2**30),
    lambda: struct.pack("<ii", 4, 4) + bytes(3),
    lambda: struct.pack("<ii", -1, 4) + bytes(64),
    lambda: PNG + chunk(b"IHDR", bytes(13)) * 2,
    lambda: PNG + chunk(b"tEXt", bytes(50)) + png(30_000, 30_000, rows=b"")[8:],
    lambda: png(1, 1, chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))),
    lambda: png(1, 1, struct.pack(">I", 2**31 - 1) + b"zTXt" + bytes(100)),
    lambda: b"\x89PNX" + png()[4:],
]
MESHES: list[Callable[[], tuple[str, bytes]]] = [
    lambda: ("part.stl", stl(2**31 - 1)),
    lambda: ("part.stl", stl(2**32 - 1)),
    lambda: ("part.stl", stl(0)),
    lambda: ("part.stl", stl(5)),
    lambda: ("part.stl", stl()[:90]),
    lambda: ("part.stl", b""),
    lambda: ("part.stl", b"solid a\nfacet normal 0 0 0\n"),
    lambda: ("part.stl", stl().replace(struct.pack("<f", 1), struct.pack("<f", float("nan")))),
    lambda: ("part.stl", stl().replace(struct.pack("<f", 1), struct.pack("<f", 3e38))),
    lambda: ("part.stl", stl().replace(struct.pack("<f", 1), struct.pack("<f", 0))),
    lambda: ("part.stl", stl().replace(struct.pack("<f", 1), struct.pack("<f", 1e-30))),
    lambda: ("part.obj", obj("f 1 2 999999999\n")),
    lambda: ("part.obj", obj("f -1 -2 -9\n")),
    lambda: ("part.obj", obj("f 0 0 0\n")),
    lambda: ("part.obj", obj("f 1/9/9 2/9/9 3/9/9\n")),
    lambda: ("part.obj", obj("f 1 3 2\n" * 20_000)),
    lambda: ("part.obj", obj("f" + " 1 2 3" * 20_000 + "\n")),
    lambda: ("part.obj", obj(vertex="nan inf 1e400")),
    lambda: ("part.obj", obj(vertex="1e30 0 0")),
    lambda: ("part.obj", obj(vertex="0x1p99 0 0")),
    lambda: ("part.obj", b"mtllib /dev/zero\nusemtl a\n" + obj()),
    lambda: ("part.obj", b"mtllib ../secret.mtl\n" + obj()),
    lambda: ("part.obj", b"v " + b"9" * 100_000 + b"\n"),
    lambda: ("part.obj", b"v 0 0 0\n" * 100_000),
    lambda: ("part.obj", b"\0" * 1000),
    lambda: ("part.obj", b""),
]


def _spoil_picture(rng: random.Random, folder: Path, scene: Path) -> Path:
    data = rng.choice(PICTURES)()
    if rng.random() < 0.1:
        data = _torn(rng, data)
    (folder / "parts" / "picture.png").write_bytes(data)
    if rng.random() < 0.3:  # MuJoCo goes by the ending, or by what the scene says
        ending = rng.choice(["PNG", "ktx", "bin", "txt", "png.x"])
        _rename_file(folder / "parts", "picture.png", f"picture.{ending}", scene)
        if rng.random() < 0.5:
            kind = rng.choice(["image/png", "image/ktx", "image/vnd.mujoco.texture", "x"])
            text = scene.read_text()
            scene.write_text(text.replace("<texture ", f'<texture content_type="{kind}" '))
    return scene


def _spoil_mesh(rng: random.Random, folder: Path, scene: Path) -> Path:
    name, data = rng.choice(MESHES)()
    (folder / "parts" / name).write_bytes(_torn(rng, data) if rng.random() < 0.2 else data)
    if rng.random() < 0.2:
        ending = rng.choice(["msh", "STL", "obj", "stl", "usd", "xml", "skn", "gltf"])
        _rename_file(folder / "parts", name, f"renamed.{ending}", scene)
    return scene


def _torn(rng: random.Random, data: bytes) -> bytes:
    """The data with a few bytes changed."""
    torn = bytearray(data or b"\0")
    for _ in range(rng.choice([1, 3, 10])):
        torn[rng.randrange(len(torn))] = rng.randrange(256)
    return bytes(torn)


def _rename_file(folder: Path, old: str, new: str, scene: Path) -> None:
    (folder / old).rename(folder / new)
    scene.write_text(scene.read_text().replace(f'"{old}"', f'"{new}"'))


def _replace(rng: random.Random, folder: Path, scene: Path) -> Path:
    """Put something that is no regular file in a file's place."""
    names = ["train.xml", "parts/picture.png", "parts/part.stl", "parts/part.obj"]
    return _put_odd(rng, folder / rng.choice(names), scene)


def _put_odd(rng: random.Random, path: Path, scene: Path) -> Path:
    path.unlink(missing_ok=True)
    match rng.randrange(7):
        case 0:
            os.mkfifo(path)
        case 1:
            path.symlink_to(path.name)  # to itself
        case 2:
            path.mkdir()
        case 3:
            path.symlink_to(rng.choice(["/dev/zero", "/dev/null", "/proc/self/mem", "/etc/passwd"]))
        case 4:
            path.symlink_to("missing")
        case 5:
            other = path.with_name("loop")
            other.symlink_to(path.name)
            path.symlink_to(other.name)
        case 6:
            path.symlink_to(path.parent, target_is_directory=True)
    return scene


def _include(rng: random.Random, folder: Path, scene: Path) -> Path:
    """Add an include or a model: of a part that loops, climbs, is odd or is not XML."""
    name = rng.choice(["part.xml", "sub/part.xml", "../part.xml", "train.xml", "./train.xml", "."])
    name = rng.choice([name, "part.xml", "part.xml", "parts/part.xml", "x" * 5000, "/part.xml"])
    include = f'<include file="{name}"/>'
    model = f'<asset><model name="m" file="{name}"/></asset><worldbody><attach model="m" prefix="p"/></worldbody>'  # noqa: E501
    added = rng.choice([include, include, include * 2, model])
    scene.write_text(scene.read_text().replace("<custom>", f"{added}<custom>", 1))
    part = folder / rng.choice(["part.xml", "part.xml", "parts/part.xml", "../part.xml"])
    contents = [include, model, "<worldbody/>", "<worldbody><body/></worldbody>", "\0", "<", added]
    if rng.random() < 0.3:
        return _put_odd(rng, part, scene)
    part.write_text(f"<mujoco>{rng.choice(contents)}</mujoco>")
    return scene


def _rename(rng: random.Random, folder: Path, scene: Path) -> Path:
    """Give the scene's file another name."""
    names = [
        b"\xff.xml",
        b".xml",
        b"_x.xml",
        b"a\nb.xml",
        b"-.xml",
        b"x.XML",
        b"a b.xml",
        b"%s.xml",
    ]
    new = Path(os.fsdecode(os.fsencode(folder) + b"/" + rng.choice(names)))
    scene.rename(new)
    return new


def _cut(rng: random.Random, folder: Path, scene: Path) -> Path:
    """Cut a file short."""
    name = rng.choice(["train.xml", "parts/picture.png", "parts/part.stl", "parts/part.obj"])
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: rng.randrange(len(data))])
    return scene
