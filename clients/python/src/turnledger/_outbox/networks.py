"""Recognise disks of other machines: SQLite's write-ahead log needs memory that they lack."""

from pathlib import Path

_MOUNTS = Path("/proc/self/mounts")
_NAMES = """9p afs afpfs ceph cifs cvmfs fuse.gcsfuse fuse.glusterfs fuse.s3fs fuse.sshfs gfs2
 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 orangefs smb2 smb3 smbfs virtiofs"""
_NETWORK = frozenset(_NAMES.split())


def network_type(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """Return the type of the network file system that holds `path`; None on a disk of its own."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    real = Path(path).resolve()
    best, kind = -1, None
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(fields[1].replace("\\040", " "))
        if real.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind if kind in _NETWORK else None
