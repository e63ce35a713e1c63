//! How one route is described.

use credlog_api::{Page, Problem, ProblemType};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{
    Content, Object, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema, Type,
};
use utoipa::{PartialSchema, ToSchema};

const HTML: &str = "text/html; charset=utf-8";

/// How who may issue is known.
pub(super) const BEARER: &str = "bearer";

/// A named schema.
type Named = (String, RefOr<Schema>);

/// A path with its operations.
pub(super) struct Described {
    pub(super) path: String,
    pub(super) item: PathItem,
    /// What its operations refer to.
    pub(super) schemas: Vec<Named>,
}

/// One operation in the making.
pub(super) struct Operation {
    path: String,
    method: HttpMethod,
    builder: OperationBuilder,
    schemas: Vec<Named>,
    answers: Vec<(u16, Response)>,
    problems: Vec<u16>,
    /// Whether problems are told on a page.
    is_page: bool,
}

/// Every route may answer so.
const PROBLEMS_OF_ALL: [u16; 5] = [400, 406, 429, 500, 503];
/// What a body may be answered with besides.
const PROBLEMS_OF_BODIES: [u16; 3] = [408, 413, 415];

impl Operation {
    pub(super) fn get(route: &str, tag: &str, id: &str, summary: &str) -> Self {
        Self::new(HttpMethod::Get, route, tag, id, summary)
    }

    pub(super) fn post(route: &str, tag: &str, id: &str, summary: &str) -> Self {
        let mut made = Self::new(HttpMethod::Post, route, tag, id, summary);
        made.problems.extend(PROBLEMS_OF_BODIES);
        made
    }

    fn new(method: HttpMethod, route: &str, tag: &str, id: &str, summary: &str) -> Self {
        Self {
            // The router's word for the rest of a path.
            path: route.replace("{*", "{"),
            method,
            builder: OperationBuilder::new()
                .tag(tag)
                .operation_id(Some(id))
                .summary(Some(summary)),
            schemas: Vec::new(),
            answers: Vec::new(),
            problems: PROBLEMS_OF_ALL.to_vec(),
            is_page: false,
        }
    }

    /// More than the summary says.
    pub(super) fn about(mut self, text: &str) -> Self {
        self.builder = self.builder.description(Some(text));
        self
    }

    /// A segment of the path; a name that is not there is answered 404.
    pub(super) fn segment(mut self, name: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(schema));
        self.builder = self.builder.parameter(parameter);
        self.problem(404)
    }

    /// A parameter of the query, which may be left out.
    pub(super) fn query(self, name: &str, schema: impl Into<RefOr<Schema>>, about: &str) -> Self {
        self.any_query(name, schema, about, Required::False)
    }

    /// A parameter of the query without which there is no answer.
    pub(super) fn required_query(
        self,
        name: &str,
        schema: impl Into<RefOr<Schema>>,
        about: &str,
    ) -> Self {
        self.any_query(name, schema, about, Required::True)
    }

    fn any_query(
        mut self,
        name: &str,
        schema: impl Into<RefOr<Schema>>,
        about: &str,
        required: Required,
    ) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .required(required)
            .description(Some(about))
            .schema(Some(schema));
        self.builder = self.builder.parameter(parameter);
        self
    }

    /// The parameters of a list in pages.
    pub(super) fn paged(self) -> Self {
        use credlog_api::page::{LIMIT_DEFAULT, LIMIT_MAX};
        let limit = whole()
            .minimum(Some(1))
            .maximum(Some(LIMIT_MAX))
            .default(Some(LIMIT_DEFAULT.into()));
        self.query(
            "after",
            whole().minimum(Some(0)),
            "`next` of the page before; absent for the first page.",
        )
        .query("limit", limit, "Most items wanted.")
    }

    /// A body of one of these media types, each with its schema.
    pub(super) fn body<'n>(
        mut self,
        kinds: impl IntoIterator<Item = (&'n str, RefOr<Schema>)>,
    ) -> Self {
        let mut body = RequestBodyBuilder::new().required(Some(Required::True));
        for (media_type, schema) in kinds {
            body = body.content(media_type, Content::new(Some(schema)));
        }
        self.builder = self.builder.request_body(Some(body.build()));
        self
    }

    /// A body of JSON of a kind.
    pub(super) fn json_body<T: ToSchema>(self) -> Self {
        let schema = Ref::from_schema_name(T::name());
        self.with_schema::<T>()
            .body([("application/json", schema.into())])
    }

    /// 200 with JSON.
    pub(super) fn json<T: ToSchema>(self, about: &str) -> Self {
        self.json_with::<T>(200, "application/json", about)
    }

    /// 200 with a page of a list; a schema's name does not tell of what a page is.
    pub(super) fn page<T: ToSchema>(mut self, about: &str) -> Self
    where
        Page<T>: ToSchema,
    {
        let name = format!("{}Page", T::name());
        let schema = Ref::from_schema_name(&name);
        self = self.with_schema::<T>();
        self.schemas.push((name, Page::<T>::schema()));
        self.answer(200, "application/json", schema, about)
    }

    /// JSON of a kind, with a status.
    pub(super) fn json_with<T: ToSchema>(
        mut self,
        status: u16,
        media_type: &str,
        about: &str,
    ) -> Self {
        self = self.with_schema::<T>();
        let schema = Ref::from_schema_name(T::name());
        self.answer(status, media_type, schema, about)
    }

    /// A schema that no answer refers to, for what is text around it.
    pub(super) fn with_schema<T: ToSchema>(mut self) -> Self {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        self
    }

    /// An answer of any media type; one status may have several.
    pub(super) fn answer(
        mut self,
        status: u16,
        media_type: &str,
        schema: impl Into<RefOr<Schema>>,
        about: &str,
    ) -> Self {
        let content = Content::new(Some(schema));
        match self.answers.iter_mut().find(|(known, _)| *known == status) {
            Some((_, response)) => {
                response
                    .content
                    .insert(media_type.to_owned(), content.into());
            }
            None => {
                let response = ResponseBuilder::new().description(about);
                let response = response.content(media_type, content).build();
                self.answers.push((status, response));
            }
        }
        self
    }

    /// An answer without a body.
    pub(super) fn empty(mut self, status: u16, about: &str) -> Self {
        let response = ResponseBuilder::new().description(about).build();
        self.answers.push((status, response));
        self
    }

    /// 200 with a page for people; problems are pages too.
    pub(super) fn html(mut self, about: &str) -> Self {
        self.is_page = true;
        self.answer(200, HTML, text(), about)
    }

    /// Only for who has the token of the issuer; what it writes may be refused.
    pub(super) fn authorized(mut self) -> Self {
        let scopes: [&str; 0] = [];
        let bearer = SecurityRequirement::new(BEARER, scopes);
        self.builder = self.builder.security(bearer);
        self.problems.extend([401, 404, 409, 422]);
        self
    }

    /// A problem besides those of all routes.
    pub(super) fn problem(mut self, status: u16) -> Self {
        self.problems.push(status);
        self
    }

    pub(super) fn done(mut self) -> Described {
        self.problems.sort_unstable();
        self.problems.dedup();
        for status in self.problems {
            let problem = problem_answer(status, self.is_page);
            match self.answers.iter_mut().find(|(known, _)| *known == status) {
                Some((_, answer)) => answer.content.extend(problem.content),
                None => self.answers.push((status, problem)),
            }
        }
        for (status, response) in self.answers {
            self.builder = self.builder.response(status.to_string(), response);
        }
        Described {
            path: self.path,
            item: PathItem::new(self.method, self.builder),
            schemas: self.schemas,
        }
    }
}

impl Described {
    /// The same path with another method.
    pub(super) fn and(mut self, operation: Operation) -> Self {
        let other = operation.done();
        self.item.merge_operations(other.item);
        self.schemas.extend(other.schemas);
        self
    }
}

fn problem_answer(status: u16, is_page: bool) -> Response {
    let codes = ProblemType::ALL
        .iter()
        .filter(|kind| kind.status == status && kind.rule.is_none())
        .map(|kind| format!("`{}`", kind.code));
    let codes: Vec<_> = codes.collect();
    let about = match codes.is_empty() {
        true => "A rule of the ledger refuses the record.".to_owned(),
        false => codes.join(", "),
    };
    let problem = Content::new(Some(Ref::from_schema_name(Problem::name())));
    let response = ResponseBuilder::new().description(about);
    let response = match is_page {
        true => response.content(HTML, Content::new(Some(text()))),
        false => response.content(credlog_api::problem::MEDIA_TYPE_PROBLEM, problem),
    };
    let response = match status {
        429 | 503 => {
            let seconds = HeaderBuilder::new()
                .schema(Some(whole().minimum(Some(1))))
                .description(Some("Seconds after which to try again."));
            response.header("Retry-After", seconds.build())
        }
        _ => response,
    };
    response.build()
}

/// A number that names something.
pub(super) fn number(about: &str) -> ObjectBuilder {
    whole().minimum(Some(0)).description(Some(about))
}

/// A whole number.
pub(super) fn whole() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer)
}

/// Text without a form of its own.
pub(super) fn text() -> Object {
    ObjectBuilder::new().schema_type(Type::String).build()
}

/// Bytes: anything, for what is not JSON has no schema in JSON.
pub(super) fn bytes() -> RefOr<Schema> {
    utoipa::openapi::schema::empty().into()
}

/// What a type looks like, written where it is used.
pub(super) fn like<T: PartialSchema>() -> RefOr<Schema> {
    T::schema()
}
