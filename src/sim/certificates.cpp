#include <perp/core/error.hpp>
#include <perp/core/file.hpp>
#include <perp/sim/certificates.hpp>

#include <filesystem>
#include <fstream>
#include <memory>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <span>

namespace perp::sim {
namespace {

constexpr long day_s = 86'400;
constexpr long authority_days = 3650;
constexpr long server_days = 800;

struct Free {
  void operator()(X509* p) const noexcept { X509_free(p); }
  void operator()(EVP_PKEY* p) const noexcept { EVP_PKEY_free(p); }
  void operator()(X509_EXTENSION* p) const noexcept { X509_EXTENSION_free(p); }
  void operator()(BIO* p) const noexcept { BIO_free(p); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Certificate = std::unique_ptr<X509, Free>;
using Bio = std::unique_ptr<BIO, Free>;

void require(bool is_done, const std::string& file) {
  if (!is_done) throw core::Error("libcrypto cannot make a certificate", file, "");
}

void extend(X509* certificate, X509* issuer, int nid, const char* value, const std::string& file) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Free> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  require(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1, file);
}

/// Unsigned, with its subject, dates and a random serial.
Certificate begin(const char* name, EVP_PKEY* key, long days, const std::string& file) {
  Certificate certificate(X509_new());
  X509* const x = certificate.get();
  unsigned char serial[8];
  require(x != nullptr && RAND_bytes(serial, sizeof serial) == 1, file);
  std::uint64_t number = 0;
  for (const unsigned char byte : serial) number = number << 8 | byte;
  require(
      X509_set_version(x, 2) == 1 &&
          ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), number >> 1) == 1 &&
          X509_gmtime_adj(X509_getm_notBefore(x), -day_s) != nullptr &&
          X509_gmtime_adj(X509_getm_notAfter(x), days * day_s) != nullptr &&
          X509_set_pubkey(x, key) == 1 &&
          X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                     reinterpret_cast<const unsigned char*>(name), -1, -1, 0) == 1,
      file);
  return certificate;
}

std::string text_of(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

void write(const std::string& path, const std::string& text) {
  core::replace_file(path, std::as_bytes(std::span(text)));
}
void write(const std::string& path, X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_X509(bio.get(), certificate) == 1, path);
  write(path, text_of(bio));
}
void write(const std::string& path, EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  require(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
          path);
  write(path, text_of(bio));
  std::filesystem::permissions(
      path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

Bio opened(const std::string& path) {
  Bio bio(BIO_new_file(path.c_str(), "r"));
  if (bio == nullptr)
    throw core::Error("cannot read the file", path, "delete the folder to have it made anew");
  return bio;
}

Key make_key(const std::string& file) {
  Key key(EVP_EC_gen("P-256"));
  require(key != nullptr, file);
  return key;
}

void make_authority(const CertificateFiles& files) {
  const Key key = make_key(files.ca_key_file);
  const Certificate authority =
      begin("perp simulated venues", key.get(), authority_days, files.ca_file);
  X509* const x = authority.get();
  require(X509_set_issuer_name(x, X509_get_subject_name(x)) == 1, files.ca_file);
  extend(x, x, NID_basic_constraints, "critical,CA:TRUE", files.ca_file);
  extend(x, x, NID_key_usage, "critical,keyCertSign,cRLSign", files.ca_file);
  extend(x, x, NID_subject_key_identifier, "hash", files.ca_file);
  require(X509_sign(x, key.get(), EVP_sha256()) > 0, files.ca_file);
  write(files.ca_key_file, key.get());
  write(files.ca_file, x);
}

void make_server(const CertificateFiles& files) {
  const Bio ca_bio = opened(files.ca_file);
  const Bio ca_key_bio = opened(files.ca_key_file);
  const Certificate authority(PEM_read_bio_X509(ca_bio.get(), nullptr, nullptr, nullptr));
  const Key authority_key(PEM_read_bio_PrivateKey(ca_key_bio.get(), nullptr, nullptr, nullptr));
  require(authority != nullptr && authority_key != nullptr, files.ca_file);
  const Key key = make_key(files.key_file);
  const Certificate server = begin("localhost", key.get(), server_days, files.certificate_file);
  X509* const x = server.get();
  require(X509_set_issuer_name(x, X509_get_subject_name(authority.get())) == 1,
          files.certificate_file);
  extend(x, authority.get(), NID_basic_constraints, "critical,CA:FALSE", files.certificate_file);
  extend(x, authority.get(), NID_key_usage, "critical,digitalSignature", files.certificate_file);
  extend(x, authority.get(), NID_ext_key_usage, "serverAuth", files.certificate_file);
  extend(x, authority.get(), NID_subject_key_identifier, "hash", files.certificate_file);
  extend(x, authority.get(), NID_authority_key_identifier, "keyid:always", files.certificate_file);
  extend(x, authority.get(), NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1",
         files.certificate_file);
  require(X509_sign(x, authority_key.get(), EVP_sha256()) > 0, files.certificate_file);
  write(files.key_file, key.get());
  write(files.certificate_file, x);
}

}  // namespace

CertificateFiles certificate_files(const std::string& folder) {
  CertificateFiles files{folder + "/ca.pem", folder + "/ca.key", folder + "/server.pem",
                         folder + "/server.key"};
  core::create_folders(folder);
  const auto is_there = [](const std::string& path) { return std::filesystem::exists(path); };
  // A server's certificate of an authority that is gone is of no use.
  const bool has_authority = is_there(files.ca_file);
  if (!has_authority) make_authority(files);
  if (!has_authority || !is_there(files.certificate_file) || !is_there(files.key_file))
    make_server(files);
  return files;
}

}  // namespace perp::sim
