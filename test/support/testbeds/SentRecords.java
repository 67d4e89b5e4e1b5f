import java.util.Map;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.RecordMetadata;

/** Collects the answers to many sends: the range of offsets, or the first failure. */
final class SentRecords implements Callback {
    private long firstOffset = Long.MAX_VALUE;
    private long lastOffset = -1;
    private Exception failure;

    @Override
    public synchronized void onCompletion(RecordMetadata metadata, Exception exception) {
        if (exception != null) {
            if (failure == null) failure = exception;
            return;
        }
        firstOffset = Math.min(firstOffset, metadata.offset());
        lastOffset = Math.max(lastOffset, metadata.offset());
    }

    synchronized boolean hasFailed() {
        return failure != null;
    }

    synchronized void requireAll() throws Exception {
        if (failure != null) throw failure;
    }

    synchronized Map<String, Object> summary() {
        return Map.of("firstOffset", firstOffset, "lastOffset", lastOffset);
    }
}
