#include "retrieval/index/index_storage.h"

#include "core/error.h"
#include "retrieval/index/folder_storage.h"
#include "retrieval/index/postgres_storage.h"

namespace attune {

std::shared_ptr<IndexStorage> IndexStorage::at(const std::string& place) {
  if (place.empty())
    throw_error(ErrorKind::kConfig,
                "the place of an index is empty: give a folder, or postgresql://...");
  if (PostgresPlace::is_one(place))
    return std::make_shared<PostgresStorage>(PostgresPlace::parse(place));
  return std::make_shared<FolderStorage>(place);
}

IndexSpace space_to_keep(const IndexSpace* old, const IndexModel& model, const IndexSpace& own) {
  return old && model.is_query_adapter() && old->document_space == own.document_space ? *old : own;
}

}  // namespace attune
