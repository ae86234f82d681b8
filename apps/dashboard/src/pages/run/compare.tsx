import { Empty } from '../../ui/states.tsx';

const ComparePage = () => <Empty title="Compare" />;

export default ComparePage;
