#include "data/generation/answer_journal.h"

#include <cerrno>
#include <functional>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/file.h"
#include "tests/core/scratch.h"

namespace attune {
namespace {

Passages three() {
  Passages out;
  for (const char* id : {"aa", "bb", "cc"}) {
    Passage passage;
    passage.id = id;
    out.rows.push_back(passage);
  }
  return out;
}

JournalHeader header() { return {fingerprint_of_passages(three()), 3, "m", "prompt", 2, 0.1}; }

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    return error.what();
  }
  return "accepted";
}

class AnswerJournalTest : public testing::Test {
 protected:
  std::string open_message(const JournalHeader& h = header()) {
    return message_of([&] { AnswerJournal(path_, h, three()); });
  }
  void expect_message(const char* part, const JournalHeader& h = header()) {
    const std::string before = read_file(path_), message = open_message(h);
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(read_file(path_), before);  // what is refused is left alone
  }
  Scratch scratch_;
  std::string path_ = scratch_ / "folder/journal.jsonl";
};

TEST_F(AnswerJournalTest, KeepsAnswers) {
  {
    AnswerJournal journal(path_, header(), three());
    EXPECT_TRUE(journal.answers().empty());
    journal.add("bb", {"1. Ä?\n2. \"B\"?", true, {12, 3}});
    journal.add("aa", {"", false, {}});
  }
  AnswerJournal journal(path_, header(), three());
  ASSERT_EQ(journal.answers().size(), 2u);
  const JournaledAnswer& answer = journal.answers().at("bb");
  EXPECT_EQ(answer.text, "1. Ä?\n2. \"B\"?");
  EXPECT_TRUE(answer.cut_off);
  EXPECT_EQ(answer.usage.prompt, 12);
  EXPECT_EQ(answer.usage.completion, 3);
  EXPECT_FALSE(journal.answers().at("aa").cut_off);
}

// Whatever a killed process or a power failure leaves of the file's end.
TEST_F(AnswerJournalTest, SurvivesBeingCutAnywhere) {
  std::string whole;
  std::size_t header_end = 0, first_end = 0;
  {
    AnswerJournal journal(path_, header(), three());
    header_end = read_file(path_).size();
    journal.add("aa", {"A", false, {1, 1}});
    first_end = read_file(path_).size();
    journal.add("bb", {"B", false, {1, 1}});
    whole = read_file(path_);
  }
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    write_file_durably(path_, whole.substr(0, size));
    const std::size_t expected = (size >= first_end) + (size >= whole.size());
    EXPECT_EQ(read_journal(path_, header(), three()).size(), expected) << size;
    AnswerJournal journal(path_, header(), three());
    EXPECT_EQ(journal.answers().size(), expected) << size;
    journal.add("cc", {"C", false, {1, 1}});
    EXPECT_EQ(read_journal(path_, header(), three()).size(), expected + 1) << size;
  }
  EXPECT_GT(header_end, 50u);
}

TEST_F(AnswerJournalTest, RefusesAJournalOfSomethingElse) {
  {
    AnswerJournal(path_, header(), three()).add("aa", {"A", false, {}});
  }
  const auto changed = [](const std::function<void(JournalHeader&)>& change) {
    JournalHeader out = header();
    change(out);
    return out;
  };
  expect_message("a journal of other documents",
                 changed([](JournalHeader& h) { h.documents = "other"; }));
  expect_message("a journal of other documents", changed([](JournalHeader& h) { h.passages = 4; }));
  expect_message("a journal of other model: model is \"m\" in it and \"n\" now",
                 changed([](JournalHeader& h) { h.model = "n"; }));
  expect_message("other prompt", changed([](JournalHeader& h) { h.prompt = "x"; }));
  expect_message("other questions_per_passage: questions_per_passage is 2 in it and 3 now",
                 changed([](JournalHeader& h) { h.questions_per_passage = 3; }));
  expect_message("other temperature", changed([](JournalHeader& h) { h.temperature = 1; }));
}

TEST_F(AnswerJournalTest, LeavesForeignFilesAlone) {
  for (const char* text : {"notes of mine", "notes\n", "{}\n", "[1]\n{\"a\": 1}\n", "\n", "\xff"}) {
    write_file_durably(path_, text);
    expect_message("is not the header of a journal");
  }
}

TEST_F(AnswerJournalTest, NamesTheDamagedLine) {
  std::string head;
  {
    AnswerJournal journal(path_, header(), three());
    head = read_file(path_);
  }
  const std::string good = R"({"passage": "aa", "answer": "A", "cut_off": false, )"
                           R"("prompt_tokens": 1, "completion_tokens": 2})";
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string out = good;
    return out.replace(out.find(from), from.size(), to);
  };
  write_file_durably(path_, head + good + "\n");
  EXPECT_EQ(open_message(), "accepted");
  const std::pair<std::string, const char*> cases[] = {
      {"", ":2: this is not JSON"},
      {good.substr(0, 30), ":2: this is not JSON"},
      {"[]", ":2: this is not a JSON object"},
      {replaced("\"aa\"", "\"dd\""), ":2: there is no passage 'dd'"},
      {replaced("\"aa\"", "7"), ":2: 'passage' is not a string"},
      {replaced("\"A\"", "null"), ":2: 'answer' is not a string"},
      {replaced("false", "0"), ":2: 'cut_off' is neither"},
      {replaced(": 1", ": -1"), ":2: 'prompt_tokens' is not a count"},
      {replaced(": 2", ": 1e300"), ":2: 'completion_tokens' is not a count"},
      {good + "\n" + good, ":3: this passage was answered on an earlier line"},
      {std::string(10, '\0'), ":2: this is not JSON"}};
  for (const auto& [line, message] : cases) {
    write_file_durably(path_, head + line + "\n");
    expect_message(message);
  }
}

// No line is told to be kept that is not on disk.
TEST_F(AnswerJournalTest, SyncsEachAnswer) {
  AnswerJournal journal(path_, header(), three());
  int syncs = 0;
  set_durable_hook([&](DurableOperation operation, const std::string&) {
    syncs += operation == DurableOperation::kSync;
    return 0;
  });
  journal.add("aa", {"A", false, {}});
  EXPECT_EQ(syncs, 1);
  set_durable_hook([](DurableOperation operation, const std::string&) {
    return operation == DurableOperation::kWrite ? ENOSPC : 0;
  });
  EXPECT_THROW(journal.add("bb", {"B", false, {}}), Error);
  set_durable_hook({});
  EXPECT_EQ(read_journal(path_, header(), three()).size(), 1u);
}

}  // namespace
}  // namespace attune
