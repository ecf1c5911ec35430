import type { FileHandle } from "node:fs/promises";
import { MemoryFile } from "../net/memory-file.ts";
import { type Chunk, memoryChunk, readFully, sliceBytes } from "./open-file.ts";

/** Where a file's bytes are kept while they are in memory. */
export type FileContent = {
  /** Reads all of it from the disk; `onRead` is told how many bytes are there so far. */
  fill: (handle: FileHandle, onRead: (bytes: number) => void) => Promise<void>;
  /** Of what has been read. */
  chunk: (offset: number, length: number) => Chunk;
  /** A descriptor that the kernel can send from by itself. */
  descriptor?: number;
  /** Called once, when nobody uses it any more. */
  free: () => void;
};

/** Read from the disk at a time. */
const readBytes = 1024 * 1024;

/** Below, one write of Node's is no dearer than those of the kernel. */
const leastKernelBytes = 256 * 1024;

/** For a file of so many bytes. `byKernel`: such that the kernel can send it, where that is possible and worth it. */
export function fileContent(sizeBytes: number, byKernel: boolean): FileContent {
  const file = byKernel && sizeBytes >= leastKernelBytes ? MemoryFile.make() : undefined;
  return file === undefined ? bufferContent(sizeBytes) : kernelContent(sizeBytes, file);
}

function bufferContent(sizeBytes: number): FileContent {
  const bytes = Buffer.allocUnsafeSlow(sizeBytes);
  return {
    fill: async (handle, onRead) => {
      for (let at = 0; at < sizeBytes; onRead(at)) {
        const length = Math.min(readBytes, sizeBytes - at);
        await readFully(handle, bytes, { offset: at, length, position: at });
        at += length;
      }
    },
    chunk: (offset, length) => memoryChunk(bytes, offset, length),
    free: () => undefined,
  };
}

function kernelContent(sizeBytes: number, file: MemoryFile): FileContent {
  return {
    fill: async (handle, onRead) => {
      const between = Buffer.allocUnsafeSlow(readBytes);
      for (let at = 0; at < sizeBytes; onRead(at)) {
        const length = Math.min(readBytes, sizeBytes - at);
        await readFully(handle, between, { offset: 0, length, position: at });
        await file.write(between.subarray(0, length), at);
        at += length;
      }
    },
    chunk: (offset, length) => memoryChunk(file.read(offset, Math.min(length, sliceBytes)), 0, length),
    descriptor: file.fd,
    free: () => file.close(),
  };
}
