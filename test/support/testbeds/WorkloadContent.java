import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/**
 * What the test workload writes, as a pure function of (seed, topic, partition, index).
 * Twin of test/support/workload-content.ts, which says what the content is and why.
 */
final class WorkloadContent {
    private static final byte[] PHRASE =
        ("\",\"level\":\"info\",\"service\":\"orders\",\"region\":\"eu-central-1\",\"note\":\"the quick brown fox"
            + " jumps over the lazy dog").getBytes(StandardCharsets.UTF_8);
    private static final int NONZERO_STATE = 0x9e3779b9;

    private final int seed;
    private final String topic;
    private final int partition;
    private final int valueBytes;
    private final long firstTimestampMs;
    private final int randomAt;
    private final ByteBuffer words;

    WorkloadContent(int seed, String topic, int partition, int valueBytes, long firstTimestampMs) {
        this.seed = seed;
        this.topic = topic;
        this.partition = partition;
        this.valueBytes = valueBytes;
        this.firstTimestampMs = firstTimestampMs;
        this.randomAt = Math.min(valueBytes, ((valueBytes + 1) / 2 + 3) & ~3);
        this.words = ByteBuffer.allocate((valueBytes + 3) & ~3).order(ByteOrder.LITTLE_ENDIAN);
    }

    ProducerRecord<byte[], byte[]> record(long index) {
        byte[] key = index % 16 == 15
            ? null
            : (topic + "-" + partition + "-" + index % 1000).getBytes(StandardCharsets.UTF_8);
        return new ProducerRecord<>(topic, partition, firstTimestampMs + index, key, value(index), headers(index));
    }

    private List<Header> headers(long index) {
        List<Header> headers = new ArrayList<>(2);
        if (index % 3 >= 1) headers.add(new RecordHeader("index", Long.toString(index).getBytes(StandardCharsets.UTF_8)));
        if (index % 3 >= 2) headers.add(new RecordHeader("absent", (byte[]) null));
        return headers;
    }

    private byte[] value(long index) {
        byte[] value = words.capacity() == valueBytes ? words.array() : new byte[valueBytes];
        fillRandom(stateOf(index));
        if (value != words.array()) System.arraycopy(words.array(), 0, value, 0, valueBytes);
        fillText(value, index);
        // The producer copies a value while it sends it, so a whole-word value may be filled again for the next record.
        return value;
    }

    private void fillText(byte[] value, long index) {
        byte[] head = ("{\"topic\":\"" + topic + "\",\"partition\":" + partition + ",\"index\":" + index + ",\"seed\":\"" + seed)
            .getBytes(StandardCharsets.UTF_8);
        int at = Math.min(head.length, randomAt);
        System.arraycopy(head, 0, value, 0, at);
        while (at < randomAt) {
            int length = Math.min(PHRASE.length, randomAt - at);
            System.arraycopy(PHRASE, 0, value, at, length);
            at += length;
        }
    }

    private void fillRandom(int firstState) {
        int state = firstState;
        for (int at = (randomAt + 3) & ~3; at < words.capacity(); at += 4) {
            state ^= state << 13;
            state ^= state >>> 17;
            state ^= state << 5;
            words.putInt(at, state);
        }
    }

    private int stateOf(long index) {
        int hash = 0x811c9dc5;
        for (byte b : topic.getBytes(StandardCharsets.UTF_8)) hash = (hash ^ (b & 0xff)) * 0x01000193;
        hash = mix(hash ^ seed);
        hash = mix(hash ^ partition);
        hash = mix(hash ^ (int) index);
        hash = mix(hash ^ (int) (index >>> 32));
        return hash == 0 ? NONZERO_STATE : hash;
    }

    private static int mix(int value) {
        int hash = value;
        hash = (hash ^ (hash >>> 16)) * 0x85ebca6b;
        hash = (hash ^ (hash >>> 13)) * 0xc2b2ae35;
        return hash ^ (hash >>> 16);
    }

    /** Order-sensitive digest of everything a consumer sees of a record. */
    static final class Digest {
        private final MessageDigest sha256;
        private final ByteBuffer numbers = ByteBuffer.allocate(16);
        private long count = 0;
        private long firstOffset = -1;
        private long lastOffset = -1;

        Digest() {
            try {
                sha256 = MessageDigest.getInstance("SHA-256");
            } catch (NoSuchAlgorithmException impossible) {
                throw new IllegalStateException(impossible);
            }
        }

        long count() {
            return count;
        }

        void add(ConsumerRecord<byte[], byte[]> record) {
            if (count == 0) firstOffset = record.offset();
            lastOffset = record.offset();
            count += 1;
            sha256.update(numbers.clear().putLong(record.offset()).putLong(record.timestamp()).flip());
            addBytes(record.key());
            addBytes(record.value());
            Header[] headers = record.headers().toArray();
            addInt(headers.length);
            for (Header header : headers) {
                addBytes(header.key().getBytes(StandardCharsets.UTF_8));
                addBytes(header.value());
            }
        }

        Map<String, Object> summary() {
            Map<String, Object> summary = new LinkedHashMap<>();
            summary.put("count", count);
            summary.put("firstOffset", firstOffset);
            summary.put("lastOffset", lastOffset);
            summary.put("sha256", HexFormat.of().formatHex(sha256.digest()));
            return summary;
        }

        private void addBytes(byte[] bytes) {
            addInt(bytes == null ? -1 : bytes.length);
            if (bytes != null) sha256.update(bytes);
        }

        private void addInt(int value) {
            sha256.update(numbers.clear().putInt(value).flip());
        }
    }
}
