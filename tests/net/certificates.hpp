#pragma once
// Certificates made by libcrypto for one test: good ones, and each way to be bad.
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace perp::test {

struct FreeOpenSsl {
  void operator()(X509* p) const noexcept { X509_free(p); }
  void operator()(X509_EXTENSION* p) const noexcept { X509_EXTENSION_free(p); }
  void operator()(BIO* p) const noexcept { BIO_free(p); }
};

inline void require(bool done, const std::string& what) {
  if (!done) throw std::runtime_error("OpenSSL: " + what);
}

/// A folder that goes when the program ends.
inline const std::filesystem::path& temporary_folder() {
  struct Folder {
    std::filesystem::path path;
    Folder() {
      std::string pattern = (std::filesystem::temp_directory_path() / "perp-tls-XXXXXX").string();
      require(::mkdtemp(pattern.data()) != nullptr, "no temporary folder");
      path = pattern;
    }
    ~Folder() {
      std::error_code ignored;  // a folder that is left behind harms nobody
      std::filesystem::remove_all(path, ignored);
    }
  };
  static const Folder folder;
  return folder.path;
}

// Shared by value: a certificate is an issuer of others and part of several chains.
using Key = std::shared_ptr<EVP_PKEY>;

/// A key of `kind`: an EC curve's name, or "RSA-<bits>". The same one for the same kind and number,
/// for making RSA keys is slow.
inline Key key_of(const std::string& kind, int number = 0) {
  static std::map<std::pair<std::string, int>, Key> made;
  Key& key = made[{kind, number}];
  if (key == nullptr) {
    EVP_PKEY* const fresh = kind.starts_with("RSA-")
                                ? EVP_RSA_gen(static_cast<unsigned>(std::stoi(kind.substr(4))))
                                : EVP_EC_gen(kind.c_str());
    require(fresh != nullptr, "cannot make a key " + kind);
    key = Key(fresh, EVP_PKEY_free);
  }
  return key;
}

struct CertificateSpec {
  std::string common_name = "perp test";
  std::string alternative_names{};  ///< as in openssl.cnf: "DNS:a.example,IP:127.0.0.1"
  bool is_authority = false;
  bool says_whether_authority = true;  ///< has basic constraints at all
  int path_length = -1;
  int valid_from_days = -1;
  int valid_to_days = 30;
  std::string key = "P-256";
  int key_number = 0;
  std::string digest = "SHA256";
  std::string key_usage{};  ///< empty: what fits
  std::string extended_key_usage{};
  std::string name_constraints{};
};

class Certificate {
 public:
  Certificate() = default;

  /// Signed by `issuer`, or by itself.
  static Certificate make(const CertificateSpec& spec, const Certificate* issuer = nullptr) {
    Certificate made;
    made.key_ = key_of(spec.key, spec.key_number);
    made.x509_ = std::shared_ptr<X509>(X509_new(), X509_free);
    X509* const x = made.x509_.get();
    static long serial = 1000;
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    constexpr long day = 86'400;
    X509_gmtime_adj(X509_getm_notBefore(x), spec.valid_from_days * day);
    X509_gmtime_adj(X509_getm_notAfter(x), spec.valid_to_days * day);
    X509_set_pubkey(x, made.key_.get());
    X509_NAME* const name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(spec.common_name.data()),
                               static_cast<int>(spec.common_name.size()), -1, 0);
    X509* const by = issuer != nullptr ? issuer->get() : x;
    X509_set_issuer_name(x, X509_get_subject_name(by));
    if (spec.says_whether_authority) {
      std::string basic = spec.is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE";
      if (spec.path_length >= 0) basic += ",pathlen:" + std::to_string(spec.path_length);
      made.add(by, NID_basic_constraints, basic);
    }
    if (!spec.key_usage.empty())
      made.add(by, NID_key_usage, spec.key_usage);
    else
      made.add(by, NID_key_usage,
               spec.is_authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
    made.add(by, NID_subject_key_identifier, "hash");
    if (issuer != nullptr) made.add(by, NID_authority_key_identifier, "keyid:always");
    if (!spec.extended_key_usage.empty()) made.add(by, NID_ext_key_usage, spec.extended_key_usage);
    if (!spec.name_constraints.empty())
      made.add(by, NID_name_constraints, "critical," + spec.name_constraints);
    if (!spec.alternative_names.empty()) made.add(by, NID_subject_alt_name, spec.alternative_names);
    EVP_PKEY* const signer = issuer != nullptr ? issuer->key_.get() : made.key_.get();
    require(X509_sign(x, signer, EVP_get_digestbyname(spec.digest.c_str())) > 0,
            "cannot sign with " + spec.digest);
    return made;
  }

  X509* get() const noexcept { return x509_.get(); }
  EVP_PKEY* key() const noexcept { return key_.get(); }

  /// Adds a DNS name of these very bytes and signs again.
  Certificate with_raw_dns_name(const std::string& bytes, const Certificate& issuer) const {
    Certificate copy;
    copy.key_ = key_;
    copy.x509_ = std::shared_ptr<X509>(X509_dup(get()), X509_free);
    GENERAL_NAMES* const names = sk_GENERAL_NAME_new_null();
    GENERAL_NAME* const name = GENERAL_NAME_new();
    ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
    ASN1_STRING_set(text, bytes.data(), static_cast<int>(bytes.size()));
    GENERAL_NAME_set0_value(name, GEN_DNS, text);
    sk_GENERAL_NAME_push(names, name);
    require(X509_add1_ext_i2d(copy.get(), NID_subject_alt_name, names, 0, X509V3_ADD_REPLACE) == 1,
            "cannot add a name");
    GENERAL_NAMES_free(names);
    require(X509_sign(copy.get(), issuer.key(), EVP_sha256()) > 0, "cannot sign");
    return copy;
  }

  /// A copy whose signature is damaged.
  Certificate with_broken_signature() const {
    std::vector<unsigned char> der(static_cast<std::size_t>(i2d_X509(get(), nullptr)));
    unsigned char* out = der.data();
    i2d_X509(get(), &out);
    der.back() ^= 1;
    const unsigned char* in = der.data();
    Certificate copy;
    copy.key_ = key_;
    copy.x509_ =
        std::shared_ptr<X509>(d2i_X509(nullptr, &in, static_cast<long>(der.size())), X509_free);
    require(copy.get() != nullptr, "cannot read a certificate back");
    return copy;
  }

  std::string pem() const {
    const std::unique_ptr<BIO, FreeOpenSsl> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), get());
    return text_of(bio.get());
  }
  std::string key_pem() const {
    const std::unique_ptr<BIO, FreeOpenSsl> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PrivateKey(bio.get(), key(), nullptr, nullptr, 0, nullptr, nullptr);
    return text_of(bio.get());
  }

 private:
  static std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    return {data, static_cast<std::size_t>(size)};
  }

  void add(X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, get(), nullptr, nullptr, 0);
    const std::unique_ptr<X509_EXTENSION, FreeOpenSsl> extension(
        X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    require(extension != nullptr, "cannot make the extension " + value);
    require(X509_add_ext(get(), extension.get(), -1) == 1, "cannot add " + value);
  }

  std::shared_ptr<X509> x509_;
  Key key_;
};

/// Writes `text` to a file of its own; returns its path.
inline std::string file_of(const std::string& text) {
  static int number = 0;
  const std::string path =
      (temporary_folder() / ("file-" + std::to_string(++number) + ".pem")).string();
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

/// The authority that tests trust.
inline const Certificate& trusted_root() {
  static const Certificate root =
      Certificate::make({.common_name = "perp test root", .is_authority = true, .key_number = 1});
  return root;
}
inline const std::string& trusted_root_file() {
  static const std::string path = file_of(trusted_root().pem());
  return path;
}

}  // namespace perp::test
