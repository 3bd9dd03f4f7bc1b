#include "tests/fault/writers.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>

#include "core/crc32c.h"
#include "core/durable.h"
#include "core/error.h"
#include "core/file.h"
#include "core/record_file.h"
#include "data/beir.h"
#include "data/dataset_convert.h"
#include "data/generation/answer_journal.h"
#include "data/row_reader.h"
#include "data/token_cache.h"
#include "models/adapter_directory.h"
#include "models/adapter_export.h"
#include "models/adapters/registry.h"
#include "models/artifact.h"
#include "models/cached_embedding.h"
#include "models/encoder_embedding.h"
#include "pipeline/integrate_stage.h"
#include "pipeline/run_lock.h"
#include "pipeline/stage_record.h"
#include "retrieval/hard_negatives.h"
#include "tests/support/tiny_lora.h"
#include "trainer/callbacks.h"
#include "trainer/checkpoint.h"
#include "trainer/tensorboard_file.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

std::string bytes_if_there(const std::string& path) {
  return file_exists(path) ? read_file(path) : "";
}

const EmbeddingModel& model() {
  static const std::shared_ptr<EmbeddingModel> kept = load_tiny_bert();
  return *kept;
}

std::string embedded_by(const std::string& directory) {
  const auto embedding = resolve_embed_model(directory);
  const std::vector<float> vector = embedding->get_query_embedding("a ship");
  return sha256({reinterpret_cast<const char*>(vector.data()), sizeof(float) * vector.size()});
}

Writer artifact() {
  const auto write = [](int number) {
    return [=](const std::string& folder) {
      write_artifact(model(), folder + "/artifact", {{"number", number}}, "a card");
    };
  };
  return {"artifact, full model", write(1), write(2), [](const std::string& folder) {
            const std::string path = folder + "/artifact";
            return read_json_file(path + "/attune.json").dump() + embedded_by(path);
          }};
}

std::string write_artifact_once() {
  static const TemporaryFolder written;
  const std::string path = written / "artifact";
  if (!fs::exists(path)) write_artifact(model(), path, {{"number", 1}}, "a card");
  return path;
}

Writer lora_artifact() {
  const auto write = [](int number) {
    return [=](const std::string& folder) {
      static const Lora lora = random_lora(model(), "query");
      DurableDirectory out(folder + "/artifact");
      write_lora(out, lora, 0.1 * number, kTinyBert);
      out.commit();
    };
  };
  return {"artifact, LoRA in PEFT's form", write(1), write(2), [](const std::string& folder) {
            const std::string path = folder + "/artifact";
            return read_file(path + "/adapter_config.json") + lora_fingerprint(path) +
                   std::to_string(read_lora(path).modules.size());
          }};
}

const Json kLinear = {{"in_features", 32}, {"out_features", 32}, {"bias", true}};

void write_adapter(const std::string& directory, int number) {
  static const std::string base = resolve_embed_model(kTinyBert)->document_space();
  const auto adapter = make_adapter("linear", kLinear, 1);
  for (auto& [name, tensor] : adapter->parameters()) tensor.add_(0.01 * number);
  save_adapter(
      *adapter, "linear", AdapterSides::kQuery, directory,
      {{"number", number}, {"adapter", {{"base", kTinyBert}, {"base_fingerprint", base}}}});
}

Writer adapter() {
  const auto write = [](int number) {
    return [=](const std::string& folder) { write_adapter(folder + "/artifact", number); };
  };
  return {"artifact, adapter", write(1), write(2), [](const std::string& folder) {
            const SavedAdapter saved = load_adapter(folder + "/artifact");
            const at::Tensor x = at::arange(32).to(at::kFloat).unsqueeze(0);
            return saved.sidecar["number"].dump() + " " +
                   std::to_string(saved.adapter->forward(x).sum().item<float>());
          }};
}

// An output that is there is refused, so there is no old state.
Writer exported_adapter() {
  const auto write = [](const std::string& folder) {
    static const TemporaryFolder adapters;
    if (!fs::exists(adapters / "one")) write_adapter(adapters / "one", 1);
    if (!fs::exists(folder + "/exported"))
      export_adapter(adapters / "one", {}, folder + "/exported");
  };
  const auto load = [](const std::string& folder) {
    const std::string path = folder + "/exported";
    if (!fs::exists(path)) return std::string();
    std::string all = read_json_file(path + "/modules.json").dump();
    std::set<std::string> weights;
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (entry.path().extension() != ".safetensors") continue;
      const Weights file = Weights::from_file(entry.path().string());
      for (const auto& [name, tensor] : file.entries())
        weights.insert(name + sha256({reinterpret_cast<const char*>(tensor.bytes.data()),
                                      tensor.bytes.size()}));
    }
    for (const std::string& one : weights) all += one;
    return all;
  };
  return {"export of an adapter", [](const std::string&) {}, write, load};
}

// A copy that is there stays, so there is no old state.
Writer integrated() {
  const auto write = [](const std::string& folder) {
    keep_model(write_artifact_once(), folder + "/integrated/one");
  };
  const auto before = [](const std::string&) { write_artifact_once(); };
  return {"model that an alias leads to", before, write, [](const std::string& folder) {
            const std::string path = folder + "/integrated/one";
            return fs::exists(path) ? bytes_if_there(path + "/attune.json") + embedded_by(path)
                                    : std::string();
          }};
}

Checkpoint checkpoint_at(std::int64_t step) {
  Checkpoint checkpoint;
  checkpoint.next_step = step;
  checkpoint.configuration = "configuration";
  checkpoint.device = "cpu";
  checkpoint.values = at::full({50}, static_cast<double>(step));
  checkpoint.first_moments = checkpoint.values * 2;
  checkpoint.second_moments = checkpoint.values * 3;
  return checkpoint;
}

// The one before is removed, so that each step of that is tried, too.
Writer checkpoint() {
  const auto write = [](std::int64_t step) {
    return [=](const std::string& folder) {
      save_checkpoint(folder + "/checkpoints", checkpoint_at(step), /*keep=*/1);
    };
  };
  return {"checkpoint, the one before removed", write(3), write(4), [](const std::string& folder) {
            const auto found = load_newest_checkpoint(folder + "/checkpoints", checkpoint_at(0));
            return found ? std::to_string(found->next_step) + " " +
                               std::to_string(found->second_moments.sum().item<float>())
                         : "";
          }};
}

Writer qa_dataset() {
  const auto write = [](int queries) {
    return [=](const std::string& folder) {
      EmbeddingQAFinetuneDataset set = tiny_dataset();
      for (int i = 0; i < queries; ++i) {
        set.queries.add("new" + std::to_string(i), "what?");
        set.relevant_docs.push_back({0});
      }
      set.save_json(folder + "/datasets/train.json");
    };
  };
  return {"data set of questions", write(1), write(2), [](const std::string& folder) {
            return EmbeddingQAFinetuneDataset::from_json(folder + "/datasets/train.json").to_json();
          }};
}

Writer beir() {
  const auto write = [](const std::string& title) {
    return [=](const std::string& folder) {
      EmbeddingQAFinetuneDataset set = tiny_dataset();
      set.corpus.add("new", title);
      write_beir(set, folder + "/beir", "test");
    };
  };
  return {"data convert, BEIR folder", write("one"), write("two"),
          [](const std::string& folder) { return read_beir(folder + "/beir").dataset.to_json(); }};
}

Writer table() {
  const auto write = [](const std::string& text) {
    return [=](const std::string& folder) {
      static const TemporaryFolder inputs;
      const std::string input = inputs / (text + ".jsonl");
      if (!fs::exists(input)) write_text(input, R"({"query": "q", "positive": ")" + text + "\"}\n");
      convert_dataset(input, folder + "/rows.csv", {});
    };
  };
  return {"data convert, table", write("one"), write("two"), [](const std::string& folder) {
            RowReader reader(folder + "/rows.csv");
            Row row;
            std::string all;
            while (reader.next(row) == RowReader::State::kRow) all += row.texts[1] + ";";
            return all;
          }};
}

Writer hard_negatives() {
  const auto write = [](std::int64_t negative) {
    return [=](const std::string& folder) {
      MinedNegatives mined;
      mined.num_negatives = 1;
      const EmbeddingQAFinetuneDataset set = tiny_dataset();
      for (std::int64_t i = 0; i < std::ssize(set.relevant_docs); ++i)
        mined.rows.push_back({i == negative ? negative + 1 : negative});
      mined.save_jsonl(folder + "/train.negatives.jsonl", set);
    };
  };
  return {"data mine, hard negatives", write(1), write(2), [](const std::string& folder) {
            const EmbeddingQAFinetuneDataset set = tiny_dataset();
            std::string all;
            const TrainingRows rows =
                make_training_rows(set, false, folder + "/train.negatives.jsonl");
            for (const std::int64_t id : rows.document_id[1]) all += std::to_string(id) + " ";
            return all;
          }};
}

Writer token_cache() {
  const auto use = [](const std::string& folder) {
    static const std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(kTinyBert);
    const std::vector<std::string_view> texts = {"a ship", "the sea"};
    const TokenCache cache(
        folder + "/tokens", *tokenizer, "", 64, [&](const auto& give) { give(texts); }, 1);
    std::string ids;
    for (std::int64_t text = 0; text < cache.num_texts(); ++text)
      for (const std::int32_t id : cache[text]) ids += std::to_string(id) + " ";
    return ids;
  };
  const auto write = [=](const std::string& folder) { use(folder); };
  // Whatever is found, the ids are right.
  return {"token cache", [](const std::string&) {}, write, use};
}

// Hashes stand for a model: the cache asks it once for each text.
class Hashing : public BaseEmbedding {
 public:
  int dimension() const override { return 8; }
  std::string model_name() const override { return "hashing"; }
  std::string document_space() const override { return "hashing"; }
  std::string query_space() const override { return "hashing"; }

 protected:
  void embed(Role, std::span<const std::string_view> texts, std::span<float> out) const override {
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] = static_cast<float>(static_cast<unsigned char>(sha256(texts[i / 8])[i % 8]));
  }
};

Writer vector_cache() {
  const auto use = [](const std::string& folder, std::vector<std::string_view> texts) {
    const CachedEmbedding cached(std::make_shared<Hashing>(), folder + "/vectors");
    std::string all;
    for (const float x : cached.get_text_embedding_batch(texts)) all += std::to_string(x) + " ";
    return all;
  };
  return {"cache of vectors", [=](const std::string& folder) { use(folder, {"a"}); },
          [=](const std::string& folder) { use(folder, {"a", "b", "c"}); },
          // Whatever is found, the vectors are right.
          [=](const std::string& folder) { return use(folder, {"a", "b", "c"}); }};
}

Writer answer_journal() {
  const auto open = [](const std::string& folder) {
    Passages passages;
    for (const char* id : {"aa", "bb", "cc"}) {
      passages.rows.emplace_back();
      passages.rows.back().id = id;
    }
    const JournalHeader header{fingerprint_of_passages(passages), 3, "m", "prompt", 2, 0.5};
    return AnswerJournal(folder + "/answers.jsonl", header, passages);
  };
  const auto add = [=](const std::string& folder, const std::vector<std::string>& ids) {
    AnswerJournal journal = open(folder);
    for (const std::string& id : ids)
      if (!journal.answers().contains(id)) journal.add(id, {"1. What is " + id + "?", false, {}});
  };
  return {"journal of answers", [](const std::string&) {},
          [=](const std::string& folder) { add(folder, {"aa", "bb", "cc"}); },
          [=](const std::string& folder) {
            std::string all;
            const AnswerJournal journal = open(folder);
            for (const char* id : {"aa", "bb", "cc"})
              if (journal.answers().contains(id)) all += journal.answers().at(id).text + "\n";
            return all;
          },
          /*grows=*/true};
}

StepReport report_of(std::int64_t step) {
  StepReport report;
  report.step = step;
  report.loss = 1.0 / static_cast<double>(step);
  return report;
}

// Begun again after step 2, as a resumed run does.
Writer metrics() {
  const auto write = [](std::int64_t from, std::int64_t to) {
    return [=](const std::string& folder) {
      MetricsFile file(folder + "/metrics.jsonl", from - 1, {});
      for (std::int64_t step = from; step <= to; ++step) file.on_step(report_of(step));
      file.sync();
    };
  };
  return {"metrics.jsonl", write(1, 2), write(3, 5),
          [](const std::string& folder) {
            const std::string path = folder + "/metrics.jsonl";
            if (!file_exists(path)) return std::string();
            {
              MetricsFile file(path, 100, {});
            }  // the reader of a resumed run
            return read_file(path);
          },
          /*grows=*/true};
}

// The steps that a reader of TensorBoard's files finds: it stops at a record cut short.
Writer tensorboard() {
  const auto write = [](std::int64_t from, std::int64_t to) {
    return [=](const std::string& folder) {
      TensorboardFile file(folder + "/tensorboard", from - 1);
      for (std::int64_t step = from; step <= to; ++step) file.on_step(report_of(step));
      file.sync();
    };
  };
  const auto load = [](const std::string& folder) {
    std::size_t events = 0;
    const std::string path = folder + "/tensorboard";
    if (!fs::exists(path)) return std::string();
    for (const auto& entry : fs::directory_iterator(path)) {
      const std::string bytes = read_file(entry.path().string());
      for (std::size_t at = 0; at + 16 <= bytes.size();) {
        std::uint64_t length = 0;
        std::uint32_t sum = 0;
        std::memcpy(&length, bytes.data() + at, 8);
        std::memcpy(&sum, bytes.data() + at + 8, 4);
        const std::uint32_t crc = crc32c(std::string_view(bytes).substr(at, 8));
        if (sum != (crc >> 15 | crc << 17) + 0xa282ead8u || length > bytes.size() - at - 16) break;
        at += 16 + length;
        ++events;
      }
    }
    return std::string(std::min<std::size_t>(events, 9), '.');  // writing again adds a file
  };
  return {"TensorBoard events", write(1, 2), write(3, 5), load, /*grows=*/true};
}

Writer stage_record() {
  const auto write = [](bool finished) {
    return [=](const std::string& folder) {
      StageRecord record;
      record.stage = "train";
      record.inputs.settings["key"] = "value";
      record.finished = finished;
      write_stage_record(folder, record);
    };
  };
  return {"record of a stage", write(false), write(true), [](const std::string& folder) {
            const auto record = read_stage_record(folder, "train");
            return record ? std::string(record->finished ? "finished" : "begun") : "";
          }};
}

Writer run_lock() {
  const auto lock = [](const std::string& folder) { const RunLock taken(folder + "/run"); };
  return {"lock of a run", [](const std::string&) {}, lock,
          [=](const std::string& folder) {
            lock(folder);
            return std::string("free");
          }};
}

Writer small_file() {
  const auto write = [](const std::string& contents) {
    return [=](const std::string& folder) {
      write_file_durably(folder + "/run/config.yaml", contents);
    };
  };
  return {"a file, first written", [](const std::string&) {}, write("new"),
          [](const std::string& folder) { return bytes_if_there(folder + "/run/config.yaml"); }};
}

Writer removal() {
  return {"removal of a directory",
          [](const std::string& folder) {
            for (int i = 0; i < 3; ++i)
              write_file_durably(folder + "/old/" + std::to_string(i), "contents");
          },
          [](const std::string& folder) { remove_durably(folder + "/old"); },
          [](const std::string& folder) {
            std::string all;
            for (int i = 0; i < 3; ++i) all += bytes_if_there(folder + "/old/" + std::to_string(i));
            return all;
          }};
}

}  // namespace

std::vector<Writer> writers() {
  return {artifact(),       lora_artifact(),  adapter(),     exported_adapter(),
          integrated(),     checkpoint(),     qa_dataset(),  beir(),
          table(),          hard_negatives(), token_cache(), vector_cache(),
          answer_journal(), metrics(),        tensorboard(), stage_record(),
          run_lock(),       small_file(),     removal()};
}

}  // namespace attune
