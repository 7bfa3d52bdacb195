"""Helpers of the tests: fakes, servers, hosts and bytes.

Running code:

- ``loops``: Runs coroutines on asyncio, uvloop or a manual clock; waits for conditions without
  sleeping.
- ``loggers``: A fixture that restores the loggers after a test.
- ``descriptors``: Limits of open descriptors: a process without any left, and a fake of
  ``resource``.
- ``compiled``: Compiles interfaces in a test: returns the generated text or the imported module.
- ``disks``: Disks in a namespace: full, broken, read-only, or mounted below each other.
- ``local_files``: Directories of this host to export, on a disk and on tmpfs.
- ``errnos``: System errors that a test expects, by their number.

Bytes and types:

- ``words``: Bytes laid out as the RFCs draw them.
- ``wire``: Port mapper calls laid out as the RFCs draw them, and raw sockets to send them.
- ``captured``: Frames and capture files, made from what they carry.
- ``conversations``: RPC conversations as frames: calls, replies, TCP connections.
- ``golden``: Recorded calls and replies of the C rpcbind 1.2.6, replayed against our endpoints.
- ``declared``: Every declared wire type, and Hypothesis strategies over all of them.
- ``sample_types``: A sample type for every construct of RFC 4506 §4, and for their nesting.
- ``matrix_types``: The types of an interface in the byte matrix: our class and the C routine of
  each.
- ``c_types``: The XDR routines that rpcgen writes, compiled into a program for each interface.
- ``c_decoder``: A model of the C decoder (RFC 4506): what it accepts where ours refuses
  (``LAXER``).

Programs and services:

- ``service``: COUNTER, a program for tests: not idempotent, in versions 3 and 5.
- ``answering``: A dispatcher of COUNTER under test: calls as bytes, handlers, and the replies.
- ``blocker``: A function that blocks a worker thread.
- ``echo``: An echo program for endpoint tests: replies at once, on request, or never.
- ``batch_service``: A service with pure procedures, at an endpoint that replies to a batch on
  request.
- ``faulty_programs``: RPC programs in one process: one that behaves, and one for each kind of
  fault.
- ``instrument``: A simulated VXI-11 instrument (revision 1.0, §B.6): links, locks, timeouts,
  aborts.
- ``one_server``: A registered server in its own process, as liveness checks see it.
- ``nfs_utils``: exportfs and rpc.mountd on a host with files of its own, without the kernel's
  nfsd.
- ``mount_programs``: Mount programs in one process: a list, an empty one, and one for each kind of
  fault.
- ``mount_site``: A mount program over small trees: every call is bytes, and every lookup is
  recorded.
- ``refusing_server``: Our server of ``refuse/refuse.x``, and the refusals that both sides of its
  test know.

Servers and clients on loopback:

- ``datagrams``: UDP endpoints on the loopback interface, and clients that send to them.
- ``streams``: A listener for record-marked connections, and its clients.
- ``loopback_peers``: Servers and scripted peers for links, on the loopback interface.
- ``threaded_servers``: Servers in a thread, on ephemeral ports and temporary paths, for blocking
  clients.
- ``scripted_server``: A threaded server of scripted replies: the base of fake port mappers and
  programs.
- ``peer_callers``: The same call made by a C client, our blocking client and our asyncio client.
- ``web_serving``: Web servers on the loopback interface, and clients that write requests byte by
  byte.

Port mappers:

- ``callers``: Callers of every kind (local, remote, root), and port mapper calls made as each of
  them.
- ``daemons``: Port mappers in this process: on the loopback interface, with their own local
  sockets.
- ``nfsd_web``: The NFS server in this process with its web page.
- ``nfs_daemons``: The NFS server in this process: on the loopback interface, with its own state.
- ``daemon_process``: The daemon in its own process, for tests from outside.
- ``stored_registry``: A registry stored in files, on a fake disk that can be full; checks of the
  files.
- ``sample_status``: A sample status of a daemon, with a value in every field.
- ``sample_nfsd_status``: A sample status of the NFS server, with a value in every field.
- ``status_calls``: A status monitor in memory, and calls of its program.
- ``status_hosts``: Two hosts on a link, with our status monitor and with rpc.statd.
- ``mapper_load``: Clients that call a port mapper without pause, and count replies and failures.

Fakes:

- ``fake_control``: A fake daemon: a control socket that sends the replies that the test sets.
- ``fake_libwrap``: A fake libwrap that records what it is asked, and the installed library where
  present.
- ``fake_mapper``: A fake port mapper with a few registrations, and a program in versions 2 to 4.
- ``fake_name_service``: Names, addresses and netgroups in dictionaries, for exports.
- ``fake_resolver``: A resolver that blocks until the test lets it reply.
- ``fake_syslog``: A fake /dev/log: receives the lines that the daemon sends to syslog.

File systems:

- ``file_user``: A user of a file system: calls its methods and waits for each answer.
- ``file_system_rules``: The rules of every back end, as a test class to derive from.
- ``reading_rules``: Rules of back ends that are only read: a directory of this host is shown.
- ``directory_rules``: Rules of directories: names, ids, listings, renaming and removing.
- ``data_rules``: Rules of files: data, sizes, times, symbolic links and special files.
- ``identity_rules``: Rules of permissions, with several users.
- ``access_list_rules``: Rules of access control lists, with several users.
- ``memory_operations``: A complete FUSE object in memory, with paths.
- ``memory_inodes``: The same as an object of pyfuse3, which counts lookups.
- ``fuse_examples``: The example file systems of pyfuse3.
- ``remote_files``: Clients of file systems on loopback: ours in memory, and one that does what a
  test says.
- ``pinged_server``: Servers for ``nfs ping``: files with a scripted port mapper, dead ports.
- ``nfs_commands``: Commands of ``nfs``, run in this process for a server in a thread.
- ``trace_reader``: follows a daemon over its control socket;
- ``two_file_systems``: Two file systems that are used in the same way, and must behave alike.
- ``exported``: Exported file systems in this process, called through the dispatcher.
- ``two_paths``: An exported directory whose calls are answered by both paths: the dispatcher, and
  at once.
- ``exported2``: The same exports, called by version 2 with bytes and with values.
- ``locking``: Locks of clients under test: owners, requests, and a status monitor that records.
- ``exported_acls``: The same with NFSACL.
- ``table_life``: A server's life with a table of handles, in a process of its own, as any user.
- ``boot_server``: MOUNT and NFS with a file to boot from, for a boot loader over UDP.
- ``repeated_calls``: Calls of NFS clients, and the connections over which they come.
- ``nlm_site``: A lock manager over a file in memory: called through the dispatcher, and what it
  calls.
- ``lock_clients``: Clients of the lock manager on the loopback interface: their own lock managers
  and port mappers.
- ``locking_hosts``: Clients that lock a file of an ``nfsd`` in this process.
- ``overlay_layers``: Layers for tests of overlays: one with files, and one that can be killed.
- ``table_tree``: A directory with a table of handles, as a server and as a local process use it.

Hosts:

- ``namespace``: A host in a namespace: its own loopback, interfaces, ports and ``/run``.
- ``guest``: A Linux kernel as NFS client, in QEMU without hardware support.
- ``guest_image``: Builds the guest: Debian's cloud kernel, busybox, nfs-utils, our own programs.
- ``lock_site``: A host with ``nfsd``, and guests with processes that take locks step by step.
- ``nlm_user``: A client of a host's lock manager, which calls it itself.
- ``client_servers``: Servers for the NFS client that can be killed: ours, ganesha, a kernel.
- ``client_claims``: What the NFS client does with each of them.
- ``kernel_server``: A guest whose kernel serves files and locks.
- ``ganesha``: nfs-ganesha on a host.
- ``lan_guests``: Linux guests with addresses of their own, on one network with a test's host.
- ``guest_python``: A disk for a guest with Python and this package.
- ``wire_messages``: RPC messages as they are seen on the wire, made with the codecs of the package.
- ``wire_tap``: RPC calls that pass an interface of a host, with the time of each.
- ``rpc_programs``: Servers and clients of old RPC programs: NIS, rstat, rusers, rwall,
  bootparam.
- ``tshark``: Answered calls of a capture, as tshark and as this package count them.
- ``recorder``: Records the frames that pass an interface of a host, as a capture.
- ``mount_client``: A client that mounts as real ones do, and stops where it fails.
- ``mount_lab``: A client and servers on links, whose frames are recorded.
- ``mount_scripts``: Servers whose answers a scenario chooses, and a client that mounts.
- ``mount_failures``: Mounts that fail, one for each cause that is explained.
- ``mount_refusals``: Those that a program refuses.
- ``mount_recordings``: Captures of these mounts; run as a program it writes those of the tests.
- ``printed_lines``: What a program prints, line by line, while it runs.
- ``hosts``: Network namespaces that a test can enter, and our port mapper to run in them.
- ``crash_clients``: Clients that write while the server crashes, and know what must be left.
- ``nfs_host``: A host that exports directories by ``nfsd``, registered with our port mapper.
- ``object_store``: An S3 server on a host, and an export of ``nfsd`` that shows a bucket of it.
- ``debian_host``: The Debian packages, and a host with its own root folder to install them on.
- ``served_backends``: Serves an export of each back end, in a process of its own.
- ``posix_programme``: The programme ``posix.c`` on any back end, less what its features exclude.
- ``nfs_user``: A user who calls an NFS server of version 3 on a host, over TCP.
- ``systemd_host``: A host on which systemd is process 1, with its own root folder, cgroups and
  network.
- ``page_console``: Runs the console blocks of a page in order and compares their output with the
  page.
"""
