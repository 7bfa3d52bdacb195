package com.sun.nfs;

import java.util.Arrays;
import java.util.TreeSet;

/**
 * Reads and writes through Sun's YANFS: java com.sun.nfs.Yanfs HOST EXPORT VERSION TRANSPORT.
 *
 * Its public interface mounts the path of a file, or asks for a public file handle. Here the
 * directory is mounted, as other clients do, by the classes below that interface.
 */
public class Yanfs {
    public static void main(String[] arguments) throws Exception {
        int version = Integer.parseInt(arguments[2]);
        Nfs root = NfsConnect.connect(arguments[0], arguments[1], 2049, version, arguments[3], false);
        byte[] data = new byte[100];
        int length = root.lookup("hello.txt").read(data, 0, data.length, 0);
        System.out.print("read " + new String(data, 0, length));
        Nfs made = root.create("by-yanfs-" + version, 0644);
        byte[] text = new byte[50000];
        Arrays.fill(text, (byte) 'y');
        made.write(text, 0, text.length, 0);
        made.close();
        TreeSet<String> names = new TreeSet<>(Arrays.asList(root.readdir()));
        System.out.println("listed " + names);
        System.exit(0);
    }
}
